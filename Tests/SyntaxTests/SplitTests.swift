// What a prompt asks: where do statements end, and is the last one complete?

import Syntax
import XCTest

final class SplitTests: XCTestCase {
    private func split(_ source: String) -> [String] {
        let bytes = Array(source.utf8)
        return Parser.splitStatements(source).map { piece in
            String(decoding: bytes[piece.span.start..<piece.span.end], as: UTF8.self) + (piece.isComplete ? ";" : "…")
        }
    }

    func testSplitting() {
        XCTAssertEqual(split(""), [])
        XCTAssertEqual(split("  -- nothing\n /* at all */ ;; ;"), [])
        XCTAssertEqual(split("select 1"), ["select 1…"])
        XCTAssertEqual(split("select 1;"), ["select 1;"])
        XCTAssertEqual(split(" select 1 ; select\n2 "), ["select 1;", "select\n2…"])
        XCTAssertEqual(split("select ';' ; x"), ["select ';';", "x…"])
        XCTAssertEqual(split("select 'it'';' ; x"), ["select 'it'';';", "x…"])
        XCTAssertEqual(split("select E'\\';' ; x"), ["select E'\\';';", "x…"])
        XCTAssertEqual(split("select \";\" , `;`; x;"), ["select \";\" , `;`;", "x;"])
        XCTAssertEqual(split("select $$;$$; select $a$ ; $$ $a$;"), ["select $$;$$;", "select $a$ ; $$ $a$;"])
        XCTAssertEqual(split("select 1 -- ;\n; select 2 /* ; /* ; */ ; */;"), ["select 1;", "select 2;"])
    }

    func testWhatIsStillOpen() {
        XCTAssertEqual(split("select 'abc; def"), ["select 'abc; def…"])
        XCTAssertEqual(split("select \"abc; def"), ["select \"abc; def…"])
        XCTAssertEqual(split("select 1 /* ;"), ["select 1 /* ;…"])
        XCTAssertEqual(split("select $x$ ; $$"), ["select $x$ ; $$…"])
        XCTAssertEqual(split("select 1; /* still"), ["select 1;", "/* still…"])
        XCTAssertEqual(split("'"), ["'…"])
    }

    func testWhatCannotBeReadIsPassedOver() {
        XCTAssertEqual(split("select @ ! 1abc; x"), ["select @ ! 1abc;", "x…"])
    }

    func testSpansOfAScript() throws {
        let source = "-- one\nselect 1 ;\n\n  select 2  -- two\n"
        let statements = try Parser.parseScript(source)
        XCTAssertEqual(statements.map(\.span), [SourceSpan(start: 7, end: 15), SourceSpan(start: 21, end: 29)])
        XCTAssertEqual(statements.map(\.statement.span), statements.map(\.span))
    }
}
