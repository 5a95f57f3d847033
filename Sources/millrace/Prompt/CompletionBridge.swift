// CompletionBridge: Completion as the C functions that readline calls.

import CReadline
import Glibc

/// Only the prompt's thread touches its variables: readline calls back on the thread that calls readline.
enum CompletionBridge {
    nonisolated(unsafe) private static var completion: Completion?
    nonisolated(unsafe) private static var candidates: [String] = []
    nonisolated(unsafe) private static var nextCandidate = 0
    /// Readline keeps the pointer; never freed.
    nonisolated(unsafe) private static let wordBreaks = strdup(" \t\n\"'`@$><=;|&{}()[],+-*/%!:.")

    static func install(_ completion: Completion) {
        self.completion = completion
        millrace_readline_setup({ word, start, end in
            guard let word else { return nil }
            return CompletionBridge.complete(word, start: Int(start), end: Int(end))
        }, wordBreaks)
    }

    private static func complete(_ word: UnsafePointer<CChar>, start: Int, end: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
        guard let completion, let line = millrace_readline_line() else { return nil }
        let text = Array(UnsafeBufferPointer(start: line, count: strlen(line)).lazy.map { UInt8(bitPattern: $0) })
        let before = String(decoding: text.prefix(start), as: UTF8.self)
        let after = String(decoding: text.dropFirst(end), as: UTF8.self)
        // nil: readline's own completion, which is that of file names.
        guard let found = completion.candidates(for: String(cString: word), before: before, after: after) else { return nil }
        millrace_readline_completion_is_over()
        candidates = found
        nextCandidate = 0
        return rl_completion_matches(word) { _, _ in CompletionBridge.next() }
    }

    /// The next candidate, in memory that readline frees.
    private static func next() -> UnsafeMutablePointer<CChar>? {
        guard nextCandidate < candidates.count else { return nil }
        defer { nextCandidate += 1 }
        return strdup(candidates[nextCandidate])
    }
}
