// SCRAM-SHA-256 against the example of RFC 7677, HMAC and PBKDF2 against published vectors.

import Platform
import XCTest

@testable import Gateway

final class ScramTests: XCTestCase {
    private func hex(_ bytes: [UInt8]) -> String { bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }

    /// RFC 4231, cases 1, 2 and 6.
    func testHMAC() {
        XCTAssertEqual(
            hex(HMAC.sha256(key: [UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        XCTAssertEqual(
            hex(HMAC.sha256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        XCTAssertEqual(
            hex(HMAC.sha256(key: [UInt8](repeating: 0xAA, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    /// RFC 7914, section 11.
    func testDerivedKey() {
        let key = HMAC.derivedKey(password: Array("passwd".utf8), salt: Array("salt".utf8), iterationCount: 1)
        XCTAssertEqual(hex(key), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
    }

    private static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

    /// RFC 7677, section 3. The RFC's nonce is no Base64, so the exchange is computed from its parts.
    func testTheExampleOfTheRFC() throws {
        let salt = try XCTUnwrap(Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
        let verifier = ScramVerifier(password: "pencil", salt: salt)
        let message = Array(
            ("n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO\(Self.serverNonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
                + "c=biws,r=rOprNGfwEbeRWgbNEkqO\(Self.serverNonce)").utf8)
        let signature = HMAC.sha256(key: verifier.storedKey, message)
        let proof = try XCTUnwrap(Base64.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
        XCTAssertEqual(HMAC.hash(zip(proof, signature).map { $0 ^ $1 }), verifier.storedKey)
        XCTAssertEqual(Base64.encode(HMAC.sha256(key: verifier.serverKey, message)), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    }

    /// The client's side, as a client computes it.
    private func exchange(password: String, verifier: ScramVerifier?, tamper: (String) -> String = { $0 }) throws -> ScramServer.Step {
        var server = ScramServer(verifier: verifier, user: "ann", nonce: [1, 2, 3, 4, 5, 6], key: [9])
        XCTAssertFalse(server.hasBegun)
        guard case .answer(let bytes) = server.receive(Array("n,,n=,r=abc".utf8)) else { throw XCTSkip("no answer") }
        XCTAssertTrue(server.hasBegun)
        let first = String(decoding: bytes, as: UTF8.self)
        let parts = first.split(separator: ",").map { String($0.dropFirst(2)) }
        XCTAssertTrue(parts[0].hasPrefix("abc") && parts[0].count > 3)
        let salted = HMAC.derivedKey(
            password: Array(password.utf8), salt: try XCTUnwrap(Base64.decode(parts[1])), iterationCount: try XCTUnwrap(Int(parts[2])))
        let clientKey = HMAC.sha256(key: salted, Array("Client Key".utf8))
        let message = Array("n=,r=abc,\(first),c=biws,r=\(parts[0])".utf8)
        let proof = zip(clientKey, HMAC.sha256(key: HMAC.hash(clientKey), message)).map { $0 ^ $1 }
        return server.receive(Array(tamper("c=biws,r=\(parts[0]),p=\(Base64.encode(proof))").utf8))
    }

    func testTheWholeExchange() throws {
        let verifier = ScramVerifier(password: "secret", salt: [7, 7, 7, 7], iterationCount: 50)
        guard case .success(let bytes) = try exchange(password: "secret", verifier: verifier) else { return XCTFail("not let in") }
        XCTAssertTrue(String(decoding: bytes, as: UTF8.self).hasPrefix("v="))
        XCTAssertEqual(try exchange(password: "Secret", verifier: verifier), .wrongPassword)
        XCTAssertEqual(try exchange(password: "", verifier: nil), .wrongPassword)
        for tamper: (String) -> String in [
            { $0.replacingOccurrences(of: "c=biws", with: "c=eSws") }, { $0.replacingOccurrences(of: "r=abc", with: "r=abd") },
            { _ in "" }, { _ in "c=biws" }, { String($0.dropLast(4)) },
        ] {
            guard case .malformed = try exchange(password: "secret", verifier: verifier, tamper: tamper) else { return XCTFail("taken") }
        }
    }

    func testMessagesThatMakeNoSense() {
        for text in ["", "n", "n,,", "n,,n=x", "p=tls-unique,,n=,r=a", "n,,n=,r=", "n,,m=x,n=,r=a", "x,,n=,r=a", "n,,n=,r=a b"] {
            var server = ScramServer(verifier: nil, user: "u", nonce: [1], key: [1])
            guard case .malformed = server.receive(Array(text.utf8)) else { return XCTFail(text) }
            guard case .malformed = server.receive(Array("c=biws,r=a,p=".utf8)) else { return XCTFail("goes on after \(text)") }
        }
    }

    func testVerifiersSurviveWriting() throws {
        let verifier = ScramVerifier(password: "x", salt: [1, 2, 3], iterationCount: 10)
        XCTAssertEqual(ScramVerifier(verifier: verifier.text), verifier)
        // What PostgreSQL 16 has made of the password `pencil`.
        XCTAssertNotNil(
            ScramVerifier(
                verifier: "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="))
        for text in ["", "SCRAM-SHA-256", "SCRAM-SHA-256$0:AA==$AA==:AA==", "SCRAM-SHA-256$1:AA==$AA==:AA==", "SCRAM-SHA-256$x:$:"] {
            XCTAssertNil(ScramVerifier(verifier: text), text)
        }
    }

    func testPasswordFile() throws {
        let users = try PostgresUsers(text: "# people\nann:secret\nbob:p:w\r\n\n", salt: { [1, 2, 3] })
        XCTAssertNotNil(users.verifier(of: "ann"))
        XCTAssertEqual(users.verifier(of: "bob"), ScramVerifier(password: "p:w", salt: [1, 2, 3]))
        XCTAssertNil(users.verifier(of: "eve"))
        for text in ["ann", ":x", "ann:", "ann:a\nann:b", "ann:SCRAM-SHA-256$x"] {
            XCTAssertThrowsError(try PostgresUsers(text: text, salt: { [1] }), text)
        }
    }

    func testBase64() throws {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 83 &+ 7) }
            XCTAssertEqual(Base64.decode(Base64.encode(bytes)), bytes)
        }
        for text in ["A", "AA", "AAA", "AA=A", "A===", "AA!A", "===="] { XCTAssertNil(Base64.decode(text), text) }
    }
}
