// Parser.pieces: what completion sees of a text that is being typed.

import XCTest

@testable import Syntax

final class PiecesTests: XCTestCase {
    private func texts(_ source: String) -> [String] { Parser.pieces(of: source).map(\.text) }

    func testWordsSignsAndWhatIsOpen() {
        XCTAssertEqual(texts("select a.\"B c\", 'x' from t;"), ["select", "a", ".", "B c", ",", "x", "from", "t", ";"])
        XCTAssertEqual(Parser.pieces(of: "select a from").map(\.kind), [.keyword, .word, .keyword])
        XCTAssertEqual(Parser.pieces(of: "select 'op").last, SourcePiece(kind: .open, text: "", span: SourceSpan(start: 7, end: 10)))
        XCTAssertEqual(Parser.pieces(of: "select /* op").last?.kind, .open)
        XCTAssertEqual(texts("select -- a comment\n1"), ["select", "1"])
        XCTAssertEqual(texts(""), [])
    }

    func testEveryBeginningOfAStatementEnds() {
        let source = "select \"a\" || 'b''c' /* d */ , $1, 1.5e, X'0', E'\\n' from `t` -- e\n where ä <> 1 ; §"
        for end in source.indices { _ = Parser.pieces(of: String(source[..<end])) }
    }

    func testAnyBytesEnd() {
        var state: UInt64 = 11
        func next() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        for _ in 0..<5_000 {
            let bytes = (0..<Int(next() % 30)).map { _ in next() % 3 == 0 ? next() : 32 + next() % 95 }
            let text = String(decoding: bytes, as: UTF8.self)
            for piece in Parser.pieces(of: text) {
                XCTAssertLessThanOrEqual(piece.span.start, piece.span.end)
                XCTAssertLessThanOrEqual(piece.span.end, text.utf8.count)
            }
        }
    }
}
