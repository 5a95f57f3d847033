// ResultFormat: how rows are printed.

enum ResultFormat {
    case table, json, csv, markdown
    /// A line per column, for rows that are wider than the terminal.
    case expanded

    var name: String {
        switch self {
        case .table: "table"
        case .json: "json"
        case .csv: "csv"
        case .markdown: "markdown"
        case .expanded: "expanded"
        }
    }

    /// What --format takes.
    enum Name: String, CaseIterable {
        case table, json, csv, markdown

        var format: ResultFormat {
            switch self {
            case .table: .table
            case .json: .json
            case .csv: .csv
            case .markdown: .markdown
            }
        }
    }
}
