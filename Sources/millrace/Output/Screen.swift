// Screen: how large the terminal is, and colours where there is one that shows them. In a pipe there are none, and NO_COLOR turns them off.

import Glibc

enum Screen {
    enum Colour: Int {
        case red = 31, green = 32, yellow = 33, cyan = 36
    }

    static let errorIsColoured = Console.errorIsTerminal && isWanted
    static let outputIsColoured = Console.outputIsTerminal && isWanted

    private static let isWanted = getenv("NO_COLOR") == nil && getenv("TERM").map { String(cString: $0) } != "dumb"

    /// Rows and columns of the terminal behind standard output.
    static var size: (rows: Int, columns: Int) {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else { return (24, 80) }
        return (Int(size.ws_row), Int(size.ws_col))
    }

    static func coloured(_ text: String, _ colour: Colour, isBold: Bool = false) -> String {
        "\u{1B}[\(isBold ? "1;" : "")\(colour.rawValue)m\(text)\u{1B}[0m"
    }

    /// An error as `Diagnostic` renders it, its first word, its caret and its hint in colour.
    static func colouredError(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.hasPrefix("error:") { return coloured("error:", .red, isBold: true) + line.dropFirst(6) }
            if line.hasPrefix("hint:") { return coloured("hint:", .cyan) + line.dropFirst(5) }
            if line.hasPrefix("notice:") { return coloured("notice:", .yellow) + line.dropFirst(7) }
            if line.hasSuffix("^"), let bar = line.firstIndex(of: "|"), line[line.index(after: bar)...].allSatisfy({ $0 == " " || $0 == "^" }) {
                let caret = line.firstIndex(of: "^") ?? line.endIndex
                return line[..<caret] + coloured(String(line[caret...]), .red, isBold: true)
            }
            return String(line)
        }.joined(separator: "\n")
    }
}
