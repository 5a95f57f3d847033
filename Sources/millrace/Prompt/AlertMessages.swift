// AlertMessages: what alerts do while somebody sits at the prompt.
//
// A thread follows the stream `alerts` from its end on, with an engine of its own when the prompt speaks to a server. What it reads becomes lines, which
// the prompt shows above the one that is being typed: a byte in a pipe wakes it. While a statement runs, lines wait until it is over.

import Engine
import Glibc
import Platform

final class AlertMessages: @unchecked Sendable {
    // Safe to share: what changes is behind the lock.
    private static let waitingCountMax = 100
    private let access: any EngineAccess
    private let lock = Lock()
    private var waiting: [String] = []
    private var leftOut = 0
    private var shows = true
    private let isStopping = Flag()
    private var thread: JoinableThread?
    private var pipeEnds: (read: Int32, write: Int32) = (-1, -1)

    init(_ access: any EngineAccess) { self.access = access }

    /// Becomes readable when there is something to show; -1, which poll() passes over, when there never will be.
    var descriptor: Int32 { pipeEnds.read }

    var isOn: Bool {
        get { lock.locked { shows } }
        set { lock.locked { shows = newValue } }
    }

    func start() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        pipeEnds = (ends[0], ends[1])
        thread = JoinableThread { [self] in follow() }
    }

    func stop() {
        isStopping.set()
        thread?.join()
        thread = nil
    }

    /// What has come since; empties the list.
    func take() -> [String] {
        lock.locked {
            var bytes = [UInt8](repeating: 0, count: 256)
            while bytes.withUnsafeMutableBytes({ read(pipeEnds.read, $0.baseAddress, $0.count) }) > 0 {}
            defer { (waiting, leftOut) = ([], 0) }
            return leftOut == 0 ? waiting : waiting + ["... and \(leftOut) more: \\da shows what fires"]
        }
    }

    private func say(_ line: String) {
        lock.locked {
            guard shows else { return }
            if waiting.count < Self.waitingCountMax { waiting.append(line) } else { leftOut += 1 }
            var byte: UInt8 = 1
            _ = write(pipeEnds.write, &byte, 1)
        }
    }

    private func pause() { for _ in 0..<10 where !isStopping.isSet { usleep(50_000) } }

    /// The stream may come later, and a server may go and come again: what cannot be followed is tried again.
    private func follow() {
        var isFirst = true
        while !isStopping.isSet {
            do {
                let source: any EngineAccess
                if let remote = access as? RemoteAccess { source = try remote.another() } else { source = access }
                defer { if source !== access { try? source.close() } }
                // A stream that is made after the prompt began is told of from its first row.
                while !isStopping.isSet, try !Self.hasStream(source) {
                    isFirst = false
                    pause()
                }
                if isStopping.isSet { return }
                let cursor = try source.tail(stream: AlertTransition.streamName, from: isFirst ? .latest : .trimHorizon, follows: true)
                isFirst = true
                defer { cursor.cancel() }
                let reader = try AlertTransitionReader(schema: cursor.schema)
                while !isStopping.isSet {
                    switch try cursor.next(timeoutMilliseconds: 100) {
                    case .rows(let batch):
                        for row in 0..<batch.count { if let transition = reader.transition(batch, row: row), let line = Self.line(transition) { say(line) } }
                    case .idle: continue
                    case .end: return
                    }
                }
            } catch { pause() }
        }
    }

    private static func hasStream(_ source: any EngineAccess) throws -> Bool {
        // All the names of a server take a statement each: the first alert would be missed meanwhile.
        if source is RemoteAccess { return try source.rows("SHOW STREAMS").contains { $0.first == AlertTransition.streamName } }
        return try source.names().relations.contains { $0.name == AlertTransition.streamName }
    }

    /// nil for what is no news: something waits, or waits no more.
    static func line(_ transition: AlertTransition) -> String? {
        guard transition.to == .firing || transition.from == .firing || transition.to == .resolved else { return nil }
        let word = transition.to == .firing ? "FIRING" : "resolved"
        func list(_ entries: [AlertTransition.Entry]) -> String { entries.map { "\($0.name)=\($0.value)" }.joined(separator: ", ") }
        var text = "[\(TimeOfDay.text(microseconds: transition.eventMicroseconds))] \(word) \(transition.alert)"
        if !transition.keys.isEmpty { text += " {\(list(transition.keys))}" }
        if !transition.severity.isEmpty { text += " \(transition.severity)" }
        let annotation = ["summary", "description"].lazy.compactMap { name in transition.annotations.first { $0.name == name }?.value }.first
        let rest = annotation ?? list(transition.values.filter { value in !transition.keys.contains { $0.name == value.name } })
        if !rest.isEmpty { text += ": \(rest)" }
        // It goes to a terminal, and comes from outside.
        return String(text.unicodeScalars.prefix(400).map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? " " : Character($0) })
    }
}
