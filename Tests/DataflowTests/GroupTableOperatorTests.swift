import XCTest

@testable import Dataflow

final class GroupTableOperatorTests: XCTestCase {}
