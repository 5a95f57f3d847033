// InputLine: what the prompt's next line turns out to be.

enum InputLine {
    case line(String)
    /// Ctrl-C: whatever was typed is given up.
    case interrupted
    case end
}

/// Where the prompt's lines come from.
protocol LineSource: AnyObject {
    /// `prompt` is shown where there is somebody to see it.
    func next(prompt: String) -> InputLine
    /// A statement is complete: to be found again with the arrow keys.
    func remember(_ statement: String)
}
