// HTTPResponseHead: a status line and headers as bytes.

import Columns

package enum HTTPStatus {
    package static func reason(_ status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        default: "Status"
        }
    }
}

package struct HTTPResponseHead: Sendable {
    package enum Framing: Sendable {
        case length(Int)
        case chunked
        /// Up to the end of the connection: for HTTP/1.0.
        case untilClosed
        /// 100 and 304 have none.
        case none
    }

    package var status: Int
    package var headers: [(name: String, value: String)]
    package var framing: Framing
    package var closes: Bool

    package init(status: Int, headers: [(name: String, value: String)], framing: Framing, closes: Bool) {
        self.status = status
        self.headers = headers
        self.framing = framing
        self.closes = closes
    }

    package func append(to buffer: ByteBuffer, nowMicroseconds: Int64) {
        buffer.append("HTTP/1.1 \(status) \(HTTPStatus.reason(status))\r\nDate: \(Self.date(nowMicroseconds))\r\nServer: millrace\r\n")
        for header in headers {
            // Values come from this program, but some quote what a client sent.
            let value = String(decoding: header.value.utf8.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
            buffer.append("\(header.name): \(value)\r\n")
        }
        switch framing {
        case .length(let count): buffer.append("Content-Length: \(count)\r\n")
        case .chunked: buffer.append("Transfer-Encoding: chunked\r\n" as StaticString)
        case .untilClosed, .none: break
        }
        if closes { buffer.append("Connection: close\r\n" as StaticString) }
        buffer.append("\r\n" as StaticString)
    }

    /// `Sat, 21 Nov 2026 14:36:04 GMT`.
    package static func date(_ microseconds: Int64) -> String {
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = CivilCalendar.components(ofMicroseconds: microseconds)
        let day = days[(CivilCalendar.isoDayOfWeek(days: CivilCalendar.daysFromCivil(parts.date)) - 1) % 7]
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let month = months[(parts.date.month - 1) % 12]
        let year = String(repeating: "0", count: max(0, 4 - String(parts.date.year).count)) + String(parts.date.year)
        return "\(day), \(two(parts.date.day)) \(month) \(year) \(two(parts.hour)):\(two(parts.minute)):\(two(parts.second)) GMT"
    }
}
