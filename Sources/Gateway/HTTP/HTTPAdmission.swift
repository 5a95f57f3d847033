// HTTPAdmission: who may ask.
//
// With a password: whoever gives it (`Authorization: Basic` or `Bearer`), but for `/healthz`, which says nothing. Without one the server listens on
// this machine only, and the danger is a browser on it that shows a page from elsewhere:
// - the page's own name may be made to point to 127.0.0.1 (DNS rebinding): so `Host` must be a name of this machine;
// - the page may send a form or a script's request here: so what changes something must come from the same origin, when the browser says where it
//   comes from (`Origin`, `Sec-Fetch-Site`). No CORS header is ever sent, so no foreign page can read an answer.

import Platform
import Syntax

struct HTTPAdmission: Sendable {
    private let password: (@Sendable (String?, String) -> Bool)?
    private let hostNames: [String]

    init(_ options: HTTPOptions) {
        password = options.password
        hostNames = options.hostNames.map { $0.lowercased() }
    }

    func check(_ request: HTTPRequest) throws(APIError) {
        if let password {
            guard request.path == "/healthz" || isAllowed(request, password) else {
                var error = APIError(401, "28P01", "a password is needed", hint: "send Authorization: Basic or Authorization: Bearer")
                error.headers = [("WWW-Authenticate", "Basic realm=\"millrace\", charset=\"UTF-8\"")]
                throw error
            }
        } else if let host = request.header("host"), !isOwn(Self.name(ofHost: host)) {
            throw APIError(
                403, "28000", "\"\(host)\" is not a name of this server",
                hint: "without a password it answers to localhost, to addresses of the loopback and to the names in its configuration only")
        }
        guard !["GET", "HEAD", "OPTIONS"].contains(request.method) else { return }
        if let origin = request.header("origin"), !Self.isSame(origin, host: request.header("host")) {
            throw APIError(403, "28000", "a page from \(origin) may not do this", hint: "requests that change something come from the same origin")
        }
        if let site = request.header("sec-fetch-site"), site != "same-origin", site != "none" {
            throw APIError(403, "28000", "a page from another site may not do this", hint: "requests that change something come from the same origin")
        }
    }

    private func isAllowed(_ request: HTTPRequest, _ password: (String?, String) -> Bool) -> Bool {
        let given = request.headers.filter { $0.name == "authorization" }
        guard given.count == 1 else { return false }
        let words = given[0].value.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2 else { return false }
        switch words[0].lowercased() {
        case "bearer": return password(nil, HTTPText.trimmed(words[1]))
        case "basic":
            guard let bytes = Base64.decode(HTTPText.trimmed(words[1])), let text = String(validating: bytes, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else { return false }
            return password(String(text[..<colon]), String(text[text.index(after: colon)...]))
        default: return false
        }
    }

    private func isOwn(_ name: String) -> Bool {
        if name == "localhost" || name.hasSuffix(".localhost") || name == "[::1]" || hostNames.contains(name) { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Without the port, in lower case.
    static func name(ofHost host: String) -> String {
        let host = host.lowercased()
        if host.hasPrefix("[") { return host.firstIndex(of: "]").map { String(host[...$0]) } ?? host }
        return String(host.prefix { $0 != ":" })
    }

    private static func isSame(_ origin: String, host: String?) -> Bool {
        guard let host else { return false }
        return ["http://", "https://"].contains { origin.lowercased() == $0 + host.lowercased() }
    }
}
