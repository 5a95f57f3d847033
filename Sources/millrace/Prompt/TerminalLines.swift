// TerminalLines: lines that a person types, with GNU readline.
//
// Readline is driven by its callback interface: this side waits in poll() for a key or for a signal, and readline never does. So
// Ctrl-C, which arrives on the signal receiver's thread, can end the line that is being typed, and nothing is done in a signal
// handler.
//
// Readline calls back with C functions, which cannot carry a context; what they share with this class is in `ReadlineState`.

import CReadline
import Glibc

/// Only the prompt's thread touches it: readline calls back on the thread that calls readline.
private enum ReadlineState {
    nonisolated(unsafe) static var finished: InputLine?
}

final class TerminalLines: LineSource {
    private let history = HistoryFile()
    /// What is to be shown above the line.
    private let messages: AlertMessages

    init(completion: Completion, messages: AlertMessages) {
        self.messages = messages
        CompletionBridge.install(completion)
        history.load()
    }

    func next(prompt: String) -> InputLine {
        ReadlineState.finished = nil
        Signals.drainWakePipe()
        return Signals.whileHandlingInterrupt({}) {
            rl_callback_handler_install(prompt) { line in
                // Leaves the terminal as it was before, so that what is printed next looks right.
                rl_callback_handler_remove()
                guard let line else {
                    ReadlineState.finished = .end
                    return
                }
                ReadlineState.finished = .line(String(cString: line))
                free(line)
            }
            while true {
                showMessages()
                var waiting = [
                    pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: Signals.wakeDescriptor, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: messages.descriptor, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&waiting, 3, -1) > 0 else { continue }
                if waiting[1].revents != 0 {
                    Signals.drainWakePipe()
                    millrace_readline_abandon_line()
                    return Signals.stopRequested ? .end : .interrupted
                }
                if waiting[0].revents != 0 { rl_callback_read_char() }
                if let finished = ReadlineState.finished { return finished }
            }
        }
    }

    /// The line that is being typed moves down and stays as it is.
    private func showMessages() {
        let lines = messages.take()
        if !lines.isEmpty { millrace_readline_print_above(lines.joined(separator: "\n") + "\n") }
    }

    func remember(_ statement: String) { history.add(statement) }
}
