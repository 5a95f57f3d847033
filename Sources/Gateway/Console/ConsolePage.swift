// ConsolePage: `GET /`: the web console, one page that asks for nothing but this server's own routes.
//
// Style and script stand in the page itself, and the policy that goes with it names them by their digests: the browser runs these and nothing else, wherever
// a name or a value in a stream may come from. The page builds its elements with `textContent`, never from markup.

import Columns
import Platform

enum ConsolePage {
    static let style = ConsoleStyle.base + ConsoleStyle.parts
    static let script =
        ConsoleScript.tools + ConsoleScript.model + ConsoleScript.overview + ConsoleScript.graph + ConsoleScript.query + ConsoleScript.chart
        + ConsoleScript.sql + ConsoleScript.frame

    static let page: [UInt8] = Array(
        (ConsoleMarkup.head + "<style>" + style + "</style>" + ConsoleMarkup.body + "<script>" + script + "</script></body></html>\n").utf8)

    static let policy =
        "default-src 'none'; style-src \(source(style)); script-src \(source(script)); connect-src 'self'; img-src data:; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    private static func source(_ text: String) -> String {
        let digest = Array(text.utf8).withUnsafeBytes { SHA2.hash($0, .bits256) }
        return "'sha256-\(Base64.encode(Array(digest)))'"
    }

    @Sendable static func serve(_ context: HTTPContext) throws {
        page.withUnsafeBytes {
            context.exchange.respond(
                200, contentType: "text/html; charset=utf-8",
                headers: [("Content-Security-Policy", policy), ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin")], bytes: $0)
        }
    }
}
