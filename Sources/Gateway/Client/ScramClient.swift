// ScramClient: a client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
//
//     client first    n,,n=,r=<nonce>
//     server first    r=<nonce and more>,s=<salt>,i=<iterations>
//     client final    c=biws,r=<the whole nonce>,p=<proof>
//     server final    v=<signature>                                 which shows that the server knows the password too

import Platform

struct ScramClient {
    private let password: [UInt8]
    private let nonce: String
    /// Servers take the name from the message that began the connection, so it is usually empty here.
    private let user: String
    private var serverSignature: [UInt8] = []

    static let mechanism = "SCRAM-SHA-256"
    /// More would keep a person waiting for the sake of a server that only wants to keep them waiting.
    private static let iterationsMax = 1_000_000

    init(password: String, nonce: String, user: String = "") {
        self.user = user
        self.password = Array(password.utf8)
        self.nonce = nonce
    }

    private var firstBare: String { "n=\(user),r=\(nonce)" }
    var first: String { "n,,\(firstBare)" }

    mutating func final(answering serverFirst: String) throws(ClientError) -> String {
        var parts: [Character: String] = [:]
        for part in serverFirst.split(separator: ",") where part.count >= 2 { parts[part.first ?? " "] = String(part.dropFirst(2)) }
        guard let whole = parts["r"], whole.hasPrefix(nonce), whole.count > nonce.count, let salt = parts["s"].flatMap({ Base64.decode($0) }),
            let iterations = parts["i"].flatMap({ Int($0) }), (1...ScramClient.iterationsMax).contains(iterations)
        else { throw ClientError("the server's answer to the password exchange makes no sense") }
        let salted = HMAC.derivedKey(password: password, salt: salt, iterationCount: iterations)
        let clientKey = HMAC.sha256(key: salted, Array("Client Key".utf8))
        let withoutProof = "c=biws,r=\(whole)"
        let message = Array("\(firstBare),\(serverFirst),\(withoutProof)".utf8)
        let signature = HMAC.sha256(key: HMAC.hash(clientKey), message)
        serverSignature = HMAC.sha256(key: HMAC.sha256(key: salted, Array("Server Key".utf8)), message)
        return "\(withoutProof),p=\(Base64.encode(zip(clientKey, signature).map { $0 ^ $1 }))"
    }

    func check(serverFinal: String) throws(ClientError) {
        guard serverFinal.hasPrefix("v="), Base64.decode(String(serverFinal.dropFirst(2))) == serverSignature else {
            throw ClientError("the server does not know the password: it is not the one it says it is")
        }
    }
}
