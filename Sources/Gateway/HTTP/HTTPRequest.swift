// HTTPRequest: the head of a request as it was understood: method, path and query (decoded), headers in their order, how its body is framed.

package struct HTTPRequest: Hashable, Sendable {
    package enum Framing: Hashable, Sendable {
        case none
        case length(Int)
        case chunked
    }

    package struct Header: Hashable, Sendable {
        /// In lower case.
        package var name: String
        package var value: String
    }

    package var method: String
    /// The target as it was sent, for messages.
    package var target: String
    /// Decoded; begins with `/`, or is `*`.
    package var path: String
    /// As it was sent, so that a slash in a name is no separator.
    package var rawPath: String
    /// Decoded, in their order.
    package var query: [(name: String, value: String)] = []
    /// Of `HTTP/1.x`.
    package var minorVersion: Int
    package var headers: [Header] = []
    package var framing = Framing.none
    /// The client waits for `100 Continue` before it sends the body.
    package var expectsContinue = false
    /// Whether the client is willing to use the connection again.
    package var keepsAlive = true

    package init(method: String, target: String, path: String, rawPath: String, minorVersion: Int) {
        self.method = method
        self.target = target
        self.path = path
        self.rawPath = rawPath
        self.minorVersion = minorVersion
    }

    /// The first header of that name (in lower case).
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// The first parameter of the query of that name.
    package func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// The media type without its parameters, in lower case; nil when none is given.
    package var contentType: String? {
        header("content-type").map { text in
            HTTPText.trimmed(String(text.prefix { $0 != ";" })).lowercased()
        }
    }

    /// Whether the client wants this media type, by name.
    package func accepts(_ mediaType: String) -> Bool {
        headers.contains { header in
            header.name == "accept"
                && header.value.split(separator: ",").contains { HTTPText.trimmed(String($0.prefix { $0 != ";" })).lowercased() == mediaType }
        }
    }

    package static func == (left: HTTPRequest, right: HTTPRequest) -> Bool {
        left.method == right.method && left.target == right.target && left.path == right.path && left.minorVersion == right.minorVersion
            && left.headers == right.headers && left.framing == right.framing && left.expectsContinue == right.expectsContinue
            && left.keepsAlive == right.keepsAlive
            && left.query.elementsEqual(right.query) { $0.name == $1.name && $0.value == $1.value }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(target)
    }
}

/// Why a request is refused before anybody has looked at what it asks for.
package struct HTTPFailure: Error, Hashable, Sendable {
    package var status: Int
    package var message: String

    package init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }
}

package enum HTTPText {
    /// Without spaces and tabs at its ends.
    package static func trimmed(_ text: String) -> String {
        let bytes = text.utf8
        guard let first = bytes.firstIndex(where: { $0 != 0x20 && $0 != 0x09 }),
            let last = bytes.lastIndex(where: { $0 != 0x20 && $0 != 0x09 })
        else { return "" }
        return String(text[first...last])
    }

    /// The characters of methods and header names.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"),
            UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// `%41` as `A`, and where `plusIsSpace` `+` as a space; nil when it is malformed, holds a NUL, or is not UTF-8.
    static func percentDecoded(_ bytes: some Collection<UInt8>, plusIsSpace: Bool) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var iterator = bytes.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexadecimal), let low = iterator.next().flatMap(hexadecimal) else { return nil }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: decoded.append(0x20)
            default: decoded.append(byte)
            }
        }
        return decoded.contains(0) ? nil : String(validating: decoded, as: UTF8.self)
    }

    /// The parameters of `a=b&c=d`; nil when one is malformed.
    static func parameters(_ bytes: some Collection<UInt8>) -> [(name: String, value: String)]? {
        var parameters: [(name: String, value: String)] = []
        for part in bytes.split(separator: UInt8(ascii: "&")) {
            let cut = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            let rest = cut < part.endIndex ? part[part.index(after: cut)...] : part[part.endIndex...]
            guard let name = percentDecoded(part[..<cut], plusIsSpace: true), let value = percentDecoded(rest, plusIsSpace: true) else { return nil }
            parameters.append((name, value))
        }
        return parameters
    }
}
