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
        let salted = HMAC.stretched(password, salt: salt, iterations: iterations)
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

enum HMAC {
    static func hash(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { SHA2.hash($0, .bits256) } }

    static func sha256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > 64 ? hash(key) : key
        block += [UInt8](repeating: 0, count: 64 - block.count)
        return hash(block.map { $0 ^ 0x5C } + hash(block.map { $0 ^ 0x36 } + message))
    }

    /// PBKDF2 with one block.
    static func stretched(_ password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        var round = sha256(key: password, salt + [0, 0, 0, 1])
        var result = round
        for _ in 1..<max(1, iterations) {
            round = sha256(key: password, round)
            for index in result.indices { result[index] ^= round[index] }
        }
        return result
    }
}

enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let word = group.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << UInt32(16 - 8 * $1.offset) }
            for place in 0..<4 { text.append(place <= group.count ? letters[Int(word >> UInt32(18 - 6 * place)) & 63] : UInt8(ascii: "=")) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for what is no Base64.
    static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: characters.count, by: 4) {
            let group = characters[start..<start + 4]
            let padding = group.reversed().prefix { $0 == UInt8(ascii: "=") }.count
            guard padding <= 2, padding == 0 || start + 4 == characters.count else { return nil }
            var word: UInt32 = 0
            for character in group.dropLast(padding) {
                guard let value = letters.firstIndex(of: character) else { return nil }
                word = word << 6 | UInt32(value)
            }
            word <<= UInt32(6 * padding)
            for place in 0..<3 - padding { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(16 - 8 * place))) }
        }
        return bytes
    }
}
