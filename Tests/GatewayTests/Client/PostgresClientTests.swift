// The client's codecs: SCRAM against the vector of RFC 7677, PostgreSQL's text forms, and messages of a server that lies about lengths.

import Columns
import Platform
import XCTest

@testable import Gateway

final class PostgresClientTests: XCTestCase {
    func testScramGivesWhatTheStandardGives() throws {
        var client = ScramClient(password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO", user: "user")
        XCTAssertEqual(client.first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        let final = try client.final(answering: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        XCTAssertEqual(
            final, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        XCTAssertNoThrow(try client.check(serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
        XCTAssertThrowsError(try client.check(serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95GQ="))
    }

    func testScramRefusesWhatMakesNoSense() {
        for answer in [
            "", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=abcd,s=?,i=4096", "r=abcd,s=W22Z,i=0",
            "r=abcd,s=W22Z,i=99999999999", "r=abcd,i=1", ",,,=",
        ] {
            var client = ScramClient(password: "p", nonce: "abc")
            XCTAssertThrowsError(try client.final(answering: answer), answer)
        }
    }

    func testBase64BothWays() {
        for count in 0..<40 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
            XCTAssertEqual(Base64.decode(Base64.encode(bytes)), bytes)
        }
        XCTAssertEqual(Base64.encode(Array("any carnal pleas".utf8)), "YW55IGNhcm5hbCBwbGVhcw==")
        for text in ["A", "A===", "====", "AB=C", "AA==AAAA", "A?==", "Zg"] { XCTAssertNil(Base64.decode(text), text) }
    }

    func testTextFormsOfTheServer() throws {
        func field(_ oid: UInt32, _ modifier: Int = -1) -> PostgresClient.Field { .init(name: "a", typeOID: oid, typeModifier: modifier) }
        let cases: [(PostgresClient.Field, String?, SQLType, Value)] = [
            (field(16), "t", .boolean, .boolean(true)),
            (field(20), "-9223372036854775808", .bigint, .integer(.min)),
            (field(1700, (10 << 16 | 2) + 4), "12.50", .decimal(precision: 10, scale: 2), .decimal(1250)),
            (field(1700), "12.5", .text, .string("12.5")),
            (field(1114, 3), "2026-01-01 10:00:00.5", .timestamp(precision: 3), .integer(1_767_261_600_500_000)),
            (field(1184), "2026-01-01 12:00:00+02", .timestampTZ(precision: 6), .integer(1_767_261_600_000_000)),
            (field(17), "\\xCAFE", .bytes, .bytes([0xCA, 0xFE])),
            (field(1016), "{1,NULL,-3}", .array(.bigint), .list([.integer(1), .null, .integer(-3)])),
            (field(1009), "{\"a \\\"b\\\"\",NULL,\"NULL\",c}", .array(.text), .list([.string("a \"b\""), .null, .string("NULL"), .string("c")])),
            (field(1007), "{}", .array(.integer), .list([])),
            (field(999_999), "anything", .text, .string("anything")),
            (field(23), nil, .integer, .null),
        ]
        for (field, text, type, value) in cases {
            XCTAssertEqual(ServerTypes.type(of: field), type)
            let builder = ColumnBuilder(type)
            try ServerTypes.append(text.map { Array($0.utf8)[...] }, to: builder)
            XCTAssertEqual(builder.finish().value(at: 0), value, text ?? "NULL")
        }
        for (oid, text) in [(23, "x"), (1007, "{1"), (1007, "{1,{2}}"), (1007, "{"), (16, ""), (1114, "yesterday")] as [(UInt32, String)] {
            let builder = ColumnBuilder(ServerTypes.type(of: field(oid)))
            XCTAssertThrowsError(try ServerTypes.append(Array(text.utf8)[...], to: builder), text)
        }
    }

    func testNoMessageTraps() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<20_000 {
            let bytes = (0..<Int(random.next() % 40)).map { _ in UInt8(truncatingIfNeeded: random.next() % 4 == 0 ? random.next() : random.next() % 80) }
            var reader = ClientMessageReader(bytes)
            _ = try? ServerMessage(&reader)
            reader = ClientMessageReader(bytes)
            _ = try? reader.int32()
            _ = try? reader.take((try? reader.int16()) ?? 0)
            _ = try? reader.text()
            _ = reader.rest()
            for oid in [16, 23, 1007, 1009, 1114, 1700, 17] as [UInt32] {
                let builder = ColumnBuilder(ServerTypes.type(of: .init(name: "a", typeOID: oid, typeModifier: -1)))
                _ = try? ServerTypes.append(bytes[...], to: builder)
            }
        }
    }

    func testMessagesAreWrittenWithTheirLength() {
        var message = ClientMessageWriter("Q")
        message.append(text: "SELECT 1")
        XCTAssertEqual(message.finished, [UInt8(ascii: "Q"), 0, 0, 0, 13] + Array("SELECT 1".utf8) + [0])
    }
}
