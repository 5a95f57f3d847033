// PasswordCheck: passwords that are sent as they are (HTTP), against the verifiers of SCRAM. To compute one takes milliseconds, as it should, so those that were
// right are remembered, by a hash under a key that nobody knows.

import Platform

final class PasswordCheck: @unchecked Sendable {
    // Safe to share: what changes is behind the lock.
    private static let rememberedMax = 1_000

    private let users: PostgresUsers
    private let key: [UInt8]
    private let lock = Lock()
    private var remembered: Set<[UInt8]> = []

    init(_ users: PostgresUsers) {
        self.users = users
        key = SystemRandom.bytes(32) ?? []
    }

    /// Without a user: whether it is anybody's password.
    func lets(_ user: String?, _ password: String) -> Bool {
        let mark = HMAC.sha256(key: key, Array((user.map { "u\($0)" } ?? "").utf8) + [0] + Array(password.utf8))
        if !key.isEmpty, lock.locked({ remembered.contains(mark) }) { return true }
        let verifiers = user.map { [users.verifier(of: $0)].compactMap { $0 } } ?? users.allVerifiers
        let isRight = verifiers.contains { verifier in
            let candidate = ScramVerifier(password: password, salt: verifier.salt, iterationCount: verifier.iterationCount)
            return HMAC.isEqual(candidate.storedKey, verifier.storedKey)
        }
        if isRight {
            lock.locked {
                if remembered.count >= Self.rememberedMax { remembered = [] }
                remembered.insert(mark)
            }
        }
        return isRight
    }
}
