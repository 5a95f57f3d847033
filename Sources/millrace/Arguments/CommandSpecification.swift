// CommandSpecification: which options a command takes, and the help text that is made from them, so that the two cannot differ.

struct OptionSpecification {
    /// With its dashes: `--data`.
    let name: String
    /// What the help calls the value; nil for a switch.
    var valueName: String?
    var isRepeatable = false
    /// One or more lines for the help.
    let summary: String

    /// `--data DIR`.
    var display: String { valueName.map { "\(name) \($0)" } ?? name }
}

struct CommandSpecification {
    /// As typed after `millrace`; the prompt has none.
    let usage: String
    let summary: String
    let options: [OptionSpecification]
    /// How many words that are no options it takes.
    var positionals: ClosedRange<Int> = 0...0
    /// Whatever else a person must know, in paragraphs.
    var notes = ""

    var help: String {
        var text = "Usage: millrace \(usage)\n\n\(summary)\n"
        let shown = options + [OptionSpecification(name: "--help", summary: "show this text")]
        let width = (shown.map { $0.display.count }.max() ?? 0) + 2
        text += "\nOptions:\n"
        for option in shown {
            let padding = String(repeating: " ", count: width - option.display.count)
            let indent = "\n" + String(repeating: " ", count: width + 2)
            let lines = option.summary.split(separator: "\n").joined(separator: indent)
            text += "  \(option.display)\(padding)\(lines)\n"
        }
        if !notes.isEmpty { text += "\n\(notes)\n" }
        text += "\nExit codes: 0 done (also when stopped by SIGINT or SIGTERM), 1 a statement or the engine failed, 2 wrong usage.\n"
        return text
    }
}
