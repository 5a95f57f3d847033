// Pager: a result that is higher or wider than the terminal is shown by $PAGER, or by `less -SFRX`: long lines are not folded, and a text that
// fits after all is just printed. `PAGER=` (empty) turns it off.

import Glibc

enum Pager {
    private static var command: String? {
        guard let chosen = getenv("PAGER") else { return "less -SFRX" }
        let text = String(cString: chosen)
        return text.isEmpty ? nil : text
    }

    /// Whether a text of so many lines, this wide, needs one.
    static func isNeeded(lines: Int, width: Int) -> Bool {
        guard Console.outputIsTerminal, Console.inputIsTerminal, command != nil else { return false }
        let size = Screen.size
        return lines >= size.rows || width > size.columns
    }

    /// False when the pager could not be started: then the text is to be printed.
    static func show(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let command else { return false }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        defer { for end in ends where end >= 0 { close(end) } }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        // The pager shall hear the signals that this program keeps to its own thread.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        guard let process = Spawn.shell(command, &actions, &attributes) else { return false }

        close(ends[0])
        ends[0] = -1
        var position = 0
        while position < bytes.count {
            let count = write(ends[1], bytes.baseAddress.map { $0 + position }, bytes.count - position)
            if count > 0 { position += count } else if errno != EINTR { break }
        }
        close(ends[1])
        ends[1] = -1
        return Spawn.wait(process) != 127
    }
}

/// Other programs, through the shell.
enum Spawn {
    static func shell(
        _ command: String, _ actions: UnsafeMutablePointer<posix_spawn_file_actions_t>?, _ attributes: UnsafeMutablePointer<posix_spawnattr_t>?
    ) -> pid_t? {
        var words: [UnsafeMutablePointer<CChar>?] = ["/bin/sh", "-c", command].map { (word: String) in strdup(word) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        return posix_spawn(&process, "/bin/sh", actions, attributes, &words, environ) == 0 ? process : nil
    }

    /// The exit code; 128 when a signal ended it.
    static func wait(_ process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 { if errno != EINTR { return 128 } }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128
    }

    /// Runs a program on this terminal to its end.
    static func run(_ command: String) -> Int32 {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        guard let process = shell(command, nil, &attributes) else { return 127 }
        return wait(process)
    }
}
