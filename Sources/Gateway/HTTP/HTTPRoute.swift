// HTTPRoute: what there is to ask for. `openapi.json` describes the same list, and a test compares the two.

struct HTTPRoute: Sendable {
    enum Place: Sendable {
        /// Answered by the loop itself: must not wait for anything.
        case loop
        /// A short look.
        case observer
        /// Takes as long as it takes.
        case statement
    }

    let methods: [String]
    /// Of the path; `{name}` as the last part stands for anything without a slash.
    let shown: String
    let place: Place
    let handler: @Sendable (HTTPContext) throws -> Void

    init(_ methods: [String], _ shown: String, _ place: Place, _ handler: @escaping @Sendable (HTTPContext) throws -> Void) {
        self.methods = methods
        self.shown = shown
        self.place = place
        self.handler = handler
    }

    /// What stands for the variable part, decoded, empty when there is none; nil when the path (as it was sent) is another one.
    func match(_ path: String) -> String? {
        guard shown.hasSuffix("{name}") else { return path == shown ? "" : nil }
        let prefix = shown.dropLast("{name}".count)
        guard path.hasPrefix(prefix) else { return nil }
        let name = path.dropFirst(prefix.count)
        return name.isEmpty || name.contains("/") ? nil : HTTPText.percentDecoded(name.utf8, plusIsSpace: false)
    }

    static let all: [HTTPRoute] = [
        HTTPRoute(["GET", "HEAD"], "/", .loop, ConsolePage.serve),
        HTTPRoute(["GET", "HEAD"], "/openapi.json", .loop, OpenAPI.serve),
        HTTPRoute(["GET", "HEAD"], "/healthz", .observer, StatusAPI.health),
        HTTPRoute(["GET", "HEAD"], "/metrics", .observer, Metrics.serve),
        HTTPRoute(["GET", "HEAD"], "/v1/status", .observer, StatusAPI.status),
        HTTPRoute(["GET", "HEAD"], "/v1/queries", .observer, StatusAPI.queries),
        HTTPRoute(["GET", "HEAD"], "/v1/queries/{name}", .observer, StatusAPI.query),
        HTTPRoute(["GET", "HEAD"], "/v1/streams", .observer, StatusAPI.streams),
        HTTPRoute(["GET", "HEAD"], "/v1/streams/{name}", .statement, StreamAPI.read),
        HTTPRoute(["POST"], "/v1/streams/{name}", .statement, StreamAPI.append),
        HTTPRoute(["GET", "HEAD"], "/v1/alerts", .observer, AlertAPI.alerts),
        HTTPRoute(["GET", "HEAD"], "/v1/silences", .observer, AlertAPI.silences),
        HTTPRoute(["POST"], "/v1/silences", .statement, AlertAPI.silence),
        HTTPRoute(["DELETE"], "/v1/silences/{name}", .statement, AlertAPI.unsilence),
        HTTPRoute(["POST"], "/v1/acknowledgements", .statement, AlertAPI.acknowledge),
        HTTPRoute(["POST"], "/v1/sql", .statement, SQLAPI.execute),
    ]
}
