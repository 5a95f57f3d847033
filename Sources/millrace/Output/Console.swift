// Console: standard output and standard error. Standard output carries results and nothing else; everything a person should know
// besides goes to standard error, a line at a time. Both may be written from any thread (`print` sinks, notices).

import Engine
import Glibc
import Platform
import Syntax

enum Console {
    static let standardOutput = OutputFile(descriptor: 1)
    private static let standardError = OutputFile(descriptor: 2)
    static let errorIsTerminal = isatty(2) == 1
    static let inputIsTerminal = isatty(0) == 1
    static let outputIsTerminal = isatty(1) == 1

    private static let lock = Lock()
    // Safe: only touched while `lock` is held.
    nonisolated(unsafe) private static var progressIsShown = false

    /// A line on standard error.
    static func note(_ line: String) {
        lock.locked {
            eraseProgress()
            standardError.write(line + "\n")
        }
    }

    /// Shows the line that the next one replaces; only sensible when standard error is a terminal.
    static func showProgress(_ line: String) {
        lock.locked {
            standardError.write("\r\u{1B}[K" + line)
            progressIsShown = true
        }
    }

    /// Takes the progress line away before something else is printed.
    static func hideProgress() {
        lock.locked { eraseProgress() }
    }

    /// Shows an error as a person wants it: a statement's with its place, in the script called `name`.
    static func report(_ error: any Error, in name: String? = nil) {
        switch error {
        case let problem as StatementError:
            say(render(problem.error, source: problem.source, name: name))
        case let problem as EngineError:
            say("error: \(problem.description)")
        default:
            say("error: \(error)")
        }
    }

    private static func say(_ text: String) { note(Screen.errorIsColoured ? Screen.colouredError(text) : text) }

    private static func eraseProgress() {
        guard progressIsShown else { return }
        standardError.write("\r\u{1B}[K")
        progressIsShown = false
    }
}
