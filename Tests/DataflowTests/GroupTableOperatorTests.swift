import XCTest

import Dataflow

final class GroupTableOperatorTests: XCTestCase {}
