// COPY stream FROM STDIN: the client's data goes to the stream's appender in large pieces, which are decoded side by side (see StreamAppender).
//
// When data comes slowly, what is there is appended as soon as nothing more waits, so that a producer may keep one COPY open for as long as it likes and its rows
// are seen. Rows that cannot be decoded go to the error stream, as with `millrace put`, and a notice says how many; what was appended before a COPY failed stays.

import Columns
import Engine
import Platform
import Syntax

struct CopyIn {
    let appender: StreamAppender
    let streamName: String
    let isExtended: Bool
    var buffer = ByteBuffer(capacity: 1 << 16)
    /// Set when it has failed and what still comes is passed over.
    var hasFailed = false

    init(appender: StreamAppender, streamName: String, isExtended: Bool) {
        self.appender = appender
        self.streamName = streamName
        self.isExtended = isExtended
    }

    /// Ends without the line whose end has not come. A failure of it is no news: the COPY has failed already.
    func abandon() { _ = try? appender.finishWithoutRest() }
}

extension PostgresSession {
    private static let pieceByteCount = 1 << 20
    private static let reasonsShownMax = 3

    func beginCopy(_ copy: Copy, span: SourceSpan, isExtended: Bool) throws {
        guard case .relation(let name, let columns) = copy.source else { return }
        if copy.format == .json { return try beginJSONCopy(name, columns, isExtended: isExtended) }
        var format = CSVFormat.postgresText
        let written = Self.format(of: copy)
        format.isText = !written.isCSV
        format.delimiter = written.delimiter
        format.nullText = String(decoding: written.nullText, as: UTF8.self)
        format.hasHeader = copy.hasHeader
        let target = try engineSession.copyTarget(name, columns: columns)
        format.columnNames = target.columnNames
        self.copy = CopyIn(appender: try engine.appender(stream: target.name, format: .csv(format)), streamName: target.name, isExtended: isExtended)
        writer.copyResponse("G", columnCount: target.columnNames.count)
    }

    /// JSON lines, as `millrace put` sends them: keys name the columns.
    private func beginJSONCopy(_ name: QualifiedName, _ columns: [Identifier], isExtended: Bool) throws {
        if let first = columns.first {
            throw SQLError(
                "COPY with FORMAT json takes no columns", at: first.span, hint: "the keys of each object name them", code: SQLError.featureNotSupported)
        }
        let target = try engineSession.copyTarget(name, columns: [])
        self.copy = CopyIn(appender: try engine.appender(stream: target.name, format: .json), streamName: target.name, isExtended: isExtended)
        writer.copyResponse("G", columnCount: 1)
    }

    /// While a COPY takes data; false for a message that has nothing to do with it.
    func handleCopy(_ message: FrontendMessage) -> Bool {
        guard let isExtended = copy?.isExtended else { return false }
        do {
            switch message {
            case .copyData(let bytes):
                bytes.withUnsafeBytes { copy?.buffer.append($0) }
                if (copy?.buffer.count ?? 0) >= Self.pieceByteCount { try appendPiece() }
            case .copyDone: try finishCopy()
            case .copyFail(let reason): abandonCopy(ErrorReport(.error, "57014", "COPY from stdin failed: \(reason)"))
            // Allowed within the data, and without meaning there.
            case .flush: break
            case .sync where isExtended: break
            case .terminate: return false
            default: abandonCopy(ErrorReport(.error, "08P01", "unexpected message during COPY from stdin"))
            }
        } catch {
            abandonCopy(ErrorReport(error))
        }
        return true
    }

    func flushCopy() {
        guard copy?.buffer.isEmpty == false else { return }
        do { try appendPiece() } catch { abandonCopy(ErrorReport(error)) }
    }

    private func appendPiece() throws {
        guard let copy else { return }
        try copy.appender.append(copy.buffer.takeBuffer())
    }

    private func finishCopy() throws {
        guard let copy else { return }
        if !copy.buffer.isEmpty { try appendPiece() }
        let counts = try copy.appender.finish()
        self.copy = nil
        if transaction == .open { hasChanged = true }
        if counts.rejected > 0 {
            let reasons = counts.reasons.prefix(Self.reasonsShownMax).joined(separator: "; ")
            notice(
                "\(counts.rejected) rows were rejected: \(reasons)", .notice, "00000", hint: "they are in \(engine.errorStreamName(of: copy.streamName))")
        }
        writer.commandComplete("COPY \(counts.rows)")
        if !copy.isExtended { resume() }
    }

    /// Ends a COPY with an error; what was complete before stays in the stream.
    func abandonCopy(_ error: ErrorReport) {
        guard let copy else { return }
        self.copy = nil
        copy.abandon()
        var error = error
        let rows = copy.appender.counts().rows
        if error.detail == nil, rows > 0 { error.detail = "\(rows) rows had been appended to \(copy.streamName) before, and stay." }
        fail(error)
        if copy.isExtended { skipsToSync = true } else { abandonSuspended() }
        flush()
    }
}
