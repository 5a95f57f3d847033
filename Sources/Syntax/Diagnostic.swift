// Diagnostic: an error as a person reads it, with the line it is about and a caret under the text.
//
//     error: expected FROM, found "form"
//      --> line 1, column 10
//       |
//     1 | select * form bid
//       |          ^^^^
//     hint: did you mean FROM?
//
// Columns are counted in characters; the caret is placed by the width a terminal gives them (a tab goes to the next multiple of
// four, an ideograph takes two cells). A line wider than `lineWidthMax` is cut around the caret. Characters that would steer a
// terminal are shown as a replacement character.

package enum Diagnostic {
    static let lineWidthMax = 100
    static let tabWidth = 4

    package static func render(_ error: SQLError, source: String, name: String? = nil) -> String {
        let line = SourceLine(at: error.span.start, in: source)
        let number = String(line.number)
        let margin = String(repeating: " ", count: number.count)
        let place = name.map { "\($0), " } ?? ""
        let (text, caretColumn, caretWidth) = excerpt(line, span: error.span)
        var output = "error: \(error.message)\n"
        output += "\(margin)--> \(place)line \(number), column \(line.column)\n"
        output += "\(margin) |\n"
        output += "\(number) | \(text)\n"
        output += "\(margin) | \(String(repeating: " ", count: caretColumn))\(String(repeating: "^", count: caretWidth))"
        if let hint = error.hint { output += "\nhint: \(hint)" }
        return output
    }

    /// The line as shown, where the caret begins in it, and how many cells it takes.
    private static func excerpt(_ line: SourceLine, span: SourceSpan) -> (text: String, caretColumn: Int, caretWidth: Int) {
        // Each character as it will be shown, with the byte at which it begins.
        var cells: [(shown: String, width: Int)] = []
        var column = 0
        var offset = line.startOffset
        var caretFirst = line.characters.count
        var caretEnd = line.characters.count
        for (index, character) in line.characters.enumerated() {
            let end = offset + character.utf8.count
            if offset <= span.start, span.start < end { caretFirst = index }
            if offset < span.end, span.end <= end { caretEnd = index + 1 }
            let cell = cell(character, atColumn: column)
            cells.append(cell)
            column += cell.width
            offset = end
        }
        caretEnd = max(caretEnd, caretFirst)
        if span.end <= span.start { caretEnd = caretFirst }

        // Keep what fits around the caret.
        var first = 0
        var last = cells.count
        if column > lineWidthMax {
            first = caretFirst
            last = caretFirst
            var width = 0
            while width < lineWidthMax, first > 0 || last < cells.count {
                // A third of the line goes before the caret when there is that much.
                let wantsBefore = first > 0 && (last == cells.count || (caretFirst - first) * 2 < last - caretFirst + 1)
                if wantsBefore {
                    first -= 1
                    width += cells[first].width
                } else {
                    width += cells[last].width
                    last += 1
                }
            }
        }
        var text = first > 0 ? "..." : ""
        var caretColumn = text.count
        var caretWidth = 0
        for index in first..<last {
            if index < caretFirst { caretColumn += cells[index].width }
            if index >= caretFirst, index < caretEnd { caretWidth += cells[index].width }
            text += cells[index].shown
        }
        if last < cells.count { text += "..." }
        while text.last == " " { text.removeLast() }
        return (text, caretColumn, max(1, caretWidth))
    }

    private static func cell(_ character: Character, atColumn column: Int) -> (shown: String, width: Int) {
        if character == "\t" {
            let width = tabWidth - column % tabWidth
            return (String(repeating: " ", count: width), width)
        }
        guard let scalar = character.unicodeScalars.first else { return ("", 0) }
        if scalar.value < 0x20 || (scalar.value >= 0x7F && scalar.value < 0xA0) { return ("\u{FFFD}", 1) }
        return (String(character), isWide(scalar.value) ? 2 : 1)
    }

    /// The blocks that terminals show two cells wide: Hangul Jamo, CJK, Hangul, full-width forms, pictographs.
    private static func isWide(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
             0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F1E6...0x1F1FF, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
             0x20000...0x3FFFD: true
        default: false
        }
    }
}

/// An error with its line and caret; `name` is the script's, when it has one.
package func render(_ error: SQLError, source: String, name: String?) -> String {
    Diagnostic.render(error, source: source, name: name)
}
