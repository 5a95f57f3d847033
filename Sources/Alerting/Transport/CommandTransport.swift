// CommandTransport: runs a command of this machine with the body on its standard input, for what no webhook takes.
//
// `/bin/sh -c COMMAND` in a process group of its own, without this program's signals and descriptors. MILLRACE_ALERT_KEY and MILLRACE_ALERT_STATUS are in its
// environment. What it exits with counts: 0 is delivered, anything else is tried again. After the timeout the group is killed. Input and what it says on
// standard error lie in files without a name, so that nobody waits for a pipe; of what it says the first words become the reason.

import CMillrace
import Engine
import Glibc
import Platform

package final class CommandTransport: Transport {
    private static let errorByteCountMax = 1_024
    private let command: String
    private let timeoutMilliseconds: Int

    package init(_ definition: NotifierDefinition) {
        command = definition.command
        timeoutMilliseconds = Int(clamping: definition.timeoutMicroseconds / 1_000)
    }

    package func send(_ request: TransportRequest, isCancelled: () -> Bool) -> TransportResult {
        func failed(_ what: String) -> TransportResult { .failed(reason: what, status: nil, isUnreachable: true) }
        let input = Self.namelessFile()
        guard input >= 0 else { return failed("no file for the input: \(String(cString: strerror(errno)))") }
        defer { close(input) }
        let output = Self.namelessFile()
        guard output >= 0 else { return failed("no file for the output: \(String(cString: strerror(errno)))") }
        defer { close(output) }
        guard Self.write(Array(request.body.utf8), to: input), lseek(input, 0, SEEK_SET) == 0 else { return failed("the input cannot be written") }

        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        guard posix_spawn_file_actions_init(&actions) == 0 else { return failed("no memory is left") }
        defer { posix_spawn_file_actions_destroy(&actions) }
        guard posix_spawnattr_init(&attributes) == 0 else { return failed("no memory is left") }
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        let flags = Int16(POSIX_SPAWN_SETPGROUP) | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
        guard posix_spawn_file_actions_adddup2(&actions, input, 0) == 0, posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) == 0,
            posix_spawn_file_actions_adddup2(&actions, output, 2) == 0, posix_spawnattr_setflags(&attributes, flags) == 0,
            posix_spawnattr_setpgroup(&attributes, 0) == 0, posix_spawnattr_setsigmask(&attributes, &none) == 0,
            posix_spawnattr_setsigdefault(&attributes, &all) == 0
        else { return failed("the command cannot be prepared") }

        let written: [String] = ["/bin/sh", "-c", command]
        var arguments: [UnsafeMutablePointer<CChar>?] = written.map { (text: String) in strdup(text) }
        arguments.append(nil)
        var environment: [UnsafeMutablePointer<CChar>?] = Self.environment(request).map { (text: String) in strdup(text) }
        environment.append(nil)
        defer { for text in arguments + environment { free(text) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, &environment)
        guard status == 0 else { return failed("/bin/sh cannot be started: \(String(cString: strerror(status)))") }
        return wait(for: process, output, isCancelled: isCancelled)
    }

    private func wait(for process: pid_t, _ output: Int32, isCancelled: () -> Bool) -> TransportResult {
        let clock = SystemClock()
        let deadline = clock.monotonicNanoseconds() &+ UInt64(max(1, timeoutMilliseconds)) &* 1_000_000
        var code: Int32 = 0
        var pauseMicroseconds: UInt32 = 1_000
        while true {
            let ended = waitpid(process, &code, WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { return .failed(reason: "the command was lost: \(String(cString: strerror(errno)))", status: nil, isUnreachable: false) }
            let isOver = clock.monotonicNanoseconds() >= deadline
            if isOver || isCancelled() {
                kill(-process, SIGKILL)
                while waitpid(process, &code, 0) < 0, errno == EINTR {}
                return .failed(
                    reason: isOver ? "the command did not end within \(timeoutMilliseconds) ms" : "given up because the program ends", status: nil, isUnreachable: false)
            }
            usleep(pauseMicroseconds)
            pauseMicroseconds = min(pauseMicroseconds * 2, 20_000)
        }
        let signal = code & 0x7F
        let exit = Int((code >> 8) & 0xFF)
        if signal == 0, exit == 0 { return .delivered(status: 0) }
        var said = [UInt8](repeating: 0, count: Self.errorByteCountMax)
        let count = said.withUnsafeMutableBytes { pread(output, $0.baseAddress, $0.count, 0) }
        let words = ForeignText.shortened(String(decoding: said.prefix(max(0, count)), as: UTF8.self))
        let what = signal == 0 ? "the command ended with \(exit)" : "the command was ended by signal \(signal)"
        return .failed(reason: what + (words.isEmpty ? "" : ": \(words)"), status: signal == 0 ? exit : nil, isUnreachable: false)
    }

    /// Readable by nobody else, and gone with its descriptor.
    private static func namelessFile() -> Int32 {
        var path = Array("/tmp/millrace-alert-XXXXXX".utf8CString)
        return path.withUnsafeMutableBufferPointer { buffer in
            guard let name = buffer.baseAddress else { return -1 }
            let descriptor = mkstemp(name)
            if descriptor >= 0 {
                unlink(name)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            }
            return descriptor
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written) }
            if count <= 0 { return false }
            written += count
        }
        return true
    }

    /// A text with a zero byte would be cut there, so such a byte is left out.
    private static func environment(_ request: TransportRequest) -> [String] {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        var texts = ["PATH=\(path)", "MILLRACE_ALERT_KEY=\(request.key)", "MILLRACE_ALERT_STATUS=\(request.status)", "MILLRACE_ALERT_ATTEMPT=\(request.attempt)"]
        for name in ["HOME", "LANG", "USER", "TZ"] { if let value = getenv(name) { texts.append("\(name)=\(String(cString: value))") } }
        return texts.map { $0.filter { $0 != "\0" } }
    }
}
