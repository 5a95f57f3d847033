// TailStart: where reading a stream begins, and how people write it.

import Columns
import Syntax

package enum TailStart: Hashable, Sendable {
    case trimHorizon
    case latest
    case sequence(UInt64)
    /// Arrival time, microseconds since 1970.
    case time(Int64)

    /// For messages: `from takes ..`.
    package static let expectation = "TRIM_HORIZON, LATEST, a sequence number or a time"

    /// nil: the text is none of these.
    package init?(_ text: String) {
        switch text.uppercased() {
        case "TRIM_HORIZON": self = .trimHorizon
        case "LATEST": self = .latest
        default:
            if let sequence = UInt64(text) {
                self = .sequence(sequence)
                return
            }
            let bytes = Array(text.utf8)
            let time = bytes.withUnsafeBufferPointer { bytes -> Int64? in
                // Why it is no time does not matter: it may have been meant as something else.
                do throws(TextError) { return try TimestampText.parse(bytes, precision: 6) } catch { return nil }
            }
            guard let time else { return nil }
            self = .time(time)
        }
    }

    /// What may have been meant by a text that is none.
    package static func hint(for text: String) -> String {
        NearestName.find(text, among: ["TRIM_HORIZON", "LATEST"]).map { "did you mean \($0)?" } ?? "a time looks like 2026-11-20T23:45:00Z"
    }
}
