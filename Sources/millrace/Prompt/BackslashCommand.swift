// BackslashCommand: the commands of the prompt itself. None of them is SQL; each ends with its line.

struct BackslashCommand {
    enum Name: String, CaseIterable {
        case describe = "\\d"
        case tables = "\\dt"
        case views = "\\dv"
        case queries = "\\dq"
        case functions = "\\df"
        case alerts = "\\da"
        case alertMessages = "\\alerts"
        case watch = "\\watch"
        case plot = "\\plot"
        case edit = "\\e"
        case include = "\\i"
        case output = "\\o"
        case set = "\\set"
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
            case .alerts: ("", "list alerts: what fires, what waits, who keeps it quiet")
            case .alertMessages: ("[on|off]", "tell above the line what begins and ends to fire")
            case .watch: ("[SECONDS]", "execute the last statement again and again (2 s), until Ctrl-C")
            case .plot: ("[COLUMN]", "draw a number of the last SELECT over time; of a SELECT STREAM as it comes")
            case .edit: ("", "edit the last statement with $EDITOR and execute it")
            case .include: ("FILE", "execute the statements of a file")
            case .output: ("[FILE]", "send results to a file; without a name back to the terminal")
            case .set: ("[NAME [VALUE]]", "what ${NAME} in a statement stands for; \\set format json is \\format json")
            case .format: ("[table|json|csv|markdown]", "how rows are printed")
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
        guard let first = words.first else { return nil }
        // psql's habit of ending everything with a semicolon does no harm here.
        let word = first.last == ";" ? first.dropLast() : first
        guard let name = Name(rawValue: String(word)) else { return nil }
        self.name = name
        var rest = words.count > 1 ? words[1].drop { $0 == " " } : ""
        while let last = rest.last, last == " " || last == ";" { rest.removeLast() }
        argument = rest.isEmpty ? nil : String(rest)
    }

    static var helpText: String {
        let rows = Name.allCases.map { name in
            (name.help.argument.isEmpty ? name.rawValue : "\(name.rawValue) \(name.help.argument)", name.help.summary)
        }
        let width = (rows.map(\.0.count).max() ?? 0) + 2
        var text = "Statements end with a semicolon and may go over several lines. Ctrl-C gives up a line or cancels a query, Ctrl-R searches\nthe history, Tab completes.\n\n"
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
