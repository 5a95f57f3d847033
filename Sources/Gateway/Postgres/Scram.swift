// Scram: SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: a client proves that it knows the password, the server that it knows the client, and
// neither sends anything that a listener could use.
//
//   client-first   n,,n=user,r=nonce
//   server-first   r=nonce+more,s=salt,i=iterations
//   client-final   c=biws,r=nonce+more,p=proof
//   server-final   v=signature
//
// Of a password only its verifier is kept (salt, StoredKey, ServerKey), as PostgreSQL writes it: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey. For a
// name that nobody has, the exchange goes on with a salt made from the name, so that the answer does not tell which names there are.

import Platform

/// What the server knows of a password.
package struct ScramVerifier: Sendable, Equatable {
    package static let iterationCount = 4_096

    package var iterationCount: Int
    package var salt: [UInt8]
    package var storedKey: [UInt8]
    package var serverKey: [UInt8]

    package init(password: String, salt: [UInt8], iterationCount: Int = ScramVerifier.iterationCount) {
        self.iterationCount = iterationCount
        self.salt = salt
        let salted = HMAC.derivedKey(password: Array(password.utf8), salt: salt, iterationCount: iterationCount)
        storedKey = HMAC.hash(HMAC.sha256(key: salted, Array("Client Key".utf8)))
        serverKey = HMAC.sha256(key: salted, Array("Server Key".utf8))
    }

    /// `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`; nil when the text is none.
    package init?(verifier text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "SCRAM-SHA-256" else { return nil }
        let first = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        let keys = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard first.count == 2, keys.count == 2, let count = Int(first[0]), (1...10_000_000).contains(count), let salt = Base64.decode(first[1]),
            let stored = Base64.decode(keys[0]), let server = Base64.decode(keys[1]), stored.count == 32, server.count == 32
        else { return nil }
        (iterationCount, self.salt, storedKey, serverKey) = (count, salt, stored, server)
    }

    package var text: String {
        "SCRAM-SHA-256$\(iterationCount):\(Base64.encode(salt))$\(Base64.encode(storedKey)):\(Base64.encode(serverKey))"
    }
}

package struct ScramServer: Sendable {
    private enum State { case first, final, over }

    package enum Step: Sendable, Equatable {
        /// What goes back; the exchange goes on.
        case answer([UInt8])
        /// Proven; what goes back.
        case success([UInt8])
        /// The password is not the one.
        case wrongPassword
        /// No message of this protocol.
        case malformed(String)
    }

    private var state = State.first
    private let verifier: ScramVerifier
    /// A name that nobody has: every proof is wrong.
    private let isKnown: Bool
    private let nonce: String
    private var clientFirstBare = ""
    private var serverFirst = ""
    private var header = ""

    /// `verifier` is nil when there is no such user. `key` is the server's own, and nobody knows it.
    package init(verifier: ScramVerifier?, user: String, nonce: [UInt8], key: [UInt8]) {
        isKnown = verifier != nil
        self.nonce = Base64.encode(nonce)
        self.verifier =
            verifier
            ?? {
                let salt = Array(HMAC.sha256(key: key, Array(user.utf8)).prefix(16))
                var unknown = ScramVerifier(password: "", salt: salt, iterationCount: 1)
                unknown.iterationCount = ScramVerifier.iterationCount
                return unknown
            }()
    }

    /// Whether the client's first message has been read.
    package var hasBegun: Bool { state != .first }

    package mutating func receive(_ bytes: [UInt8]) -> Step {
        guard let text = String(validating: bytes, as: UTF8.self) else { return .malformed("no UTF-8") }
        switch state {
        case .first: return receiveFirst(text)
        case .final: return receiveFinal(text)
        case .over: return .malformed("the exchange is over")
        }
    }

    private mutating func receiveFirst(_ text: String) -> Step {
        state = .over
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count >= 4 else { return .malformed("the first message is too short") }
        // `y` says that the client could bind to the channel and believes that the server cannot, which is so.
        guard parts[0] == "n" || parts[0] == "y" else {
            return .malformed(parts[0].hasPrefix("p=") ? "channel binding needs TLS" : "the first message has no header")
        }
        guard parts[1].isEmpty || parts[1].hasPrefix("a=") else { return .malformed("the first message has no header") }
        guard parts[2].hasPrefix("n="), parts[3].hasPrefix("r=") else { return .malformed("the first message has no name and nonce") }
        let clientNonce = parts[3].dropFirst(2)
        guard !clientNonce.isEmpty, clientNonce.utf8.allSatisfy({ $0 >= 0x21 && $0 <= 0x7E }) else { return .malformed("the nonce is not printable") }
        header = "\(parts[0]),\(parts[1]),"
        clientFirstBare = parts[2...].joined(separator: ",")
        serverFirst = "r=\(clientNonce)\(nonce),s=\(Base64.encode(verifier.salt)),i=\(verifier.iterationCount)"
        state = .final
        return .answer(Array(serverFirst.utf8))
    }

    private mutating func receiveFinal(_ text: String) -> Step {
        state = .over
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0].hasPrefix("c="), parts[1].hasPrefix("r="), let last = parts.last, last.hasPrefix("p=") else {
            return .malformed("the final message has no binding, nonce and proof")
        }
        guard parts[0].dropFirst(2) == Base64.encode(Array(header.utf8)) else { return .malformed("the channel binding has changed") }
        let wantedNonce = serverFirst.split(separator: ",").first?.dropFirst(2) ?? ""
        guard parts[1].dropFirst(2) == wantedNonce else { return .malformed("the nonce has changed") }
        guard let proof = Base64.decode(last.dropFirst(2)), proof.count == 32 else { return .malformed("the proof is none") }
        let withoutProof = parts.dropLast().joined(separator: ",")
        let message = Array("\(clientFirstBare),\(serverFirst),\(withoutProof)".utf8)
        let signature = HMAC.sha256(key: verifier.storedKey, message)
        let clientKey = zip(proof, signature).map { $0 ^ $1 }
        guard HMAC.isEqual(HMAC.hash(clientKey), verifier.storedKey), isKnown else { return .wrongPassword }
        return .success(Array("v=\(Base64.encode(HMAC.sha256(key: verifier.serverKey, message)))".utf8))
    }
}
