// BackslashCommand: the commands of the prompt itself. None of them is SQL; each ends with its line.

struct BackslashCommand {
    enum Name: String, CaseIterable {
        case describe = "\\d"
        case tables = "\\dt"
        case views = "\\dv"
        case queries = "\\dq"
        case functions = "\\df"
        case include = "\\i"
        case output = "\\o"
        case format = "\\format"
        case expanded = "\\x"
        case timing = "\\timing"
        case status = "\\status"
        case help = "\\?"
        case quit = "\\q"

        /// What it takes and what it does.
        var help: (argument: String, summary: String) {
            switch self {
            case .describe: ("[NAME]", "describe a stream, table, view or query; without a name list them")
            case .tables: ("", "list streams and tables")
            case .views: ("", "list views")
            case .queries: ("", "list queries and how they are doing")
            case .functions: ("", "list functions")
            case .include: ("FILE", "execute the statements of a file")
            case .output: ("[FILE]", "send results to a file; without a name back to the terminal")
            case .format: ("[table|json|csv]", "how rows are printed")
            case .expanded: ("[on|off]", "a line per column")
            case .timing: ("[on|off]", "show how long each statement takes")
            case .status: ("", "show streams, shards and queries in full")
            case .help: ("", "show this text")
            case .quit: ("", "leave (Ctrl-D does too)")
            }
        }
    }

    let name: Name
    let argument: String?

    static let spellings = Name.allCases.map(\.rawValue)

    /// The line's command; nil when there is none of that name.
    init?(_ line: String) {
        let words = line.split(maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" })
        guard let first = words.first, let name = Name(rawValue: String(first)) else { return nil }
        self.name = name
        var rest = words.count > 1 ? words[1].drop { $0 == " " } : ""
        // psql's habit of ending everything with a semicolon does no harm here.
        while let last = rest.last, last == " " || last == ";" { rest.removeLast() }
        argument = rest.isEmpty ? nil : String(rest)
    }

    static var helpText: String {
        let rows = Name.allCases.map { name in
            (name.help.argument.isEmpty ? name.rawValue : "\(name.rawValue) \(name.help.argument)", name.help.summary)
        }
        let width = (rows.map(\.0.count).max() ?? 0) + 2
        var text = "Statements end with a semicolon and may go over several lines. Ctrl-C gives up a line or cancels a query.\n\n"
        for (left, right) in rows { text += "  \(left)\(String(repeating: " ", count: width - left.count))\(right)\n" }
        text += """

            A few statements to begin with:
              SHOW STREAMS;                                the streams there are
              SELECT * FROM name LIMIT 10;                 what a stream holds now
              SELECT STREAM * FROM name;                   what arrives, until Ctrl-C
              EXPLAIN SELECT ...;                          how a query would run
              CREATE QUERY q AS INSERT INTO t SELECT ...;  a query that goes on

            """
        return text
    }
}
