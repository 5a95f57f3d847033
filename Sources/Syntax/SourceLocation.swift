// SourceLocation: a byte offset as a person counts it.

/// Line and column, both from 1. A column is a character (an extended grapheme cluster): `é` and a flag are one each.
package struct SourceLocation: Hashable, Sendable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Where the byte at `offset` stands. An offset behind the end is taken as the end, one within a character as its beginning.
    package init(offset: Int, in source: String) {
        let line = SourceLine(at: offset, in: source)
        self.init(line: line.number, column: line.column)
    }
}

/// The line that holds an offset.
struct SourceLine {
    var number: Int
    /// The offset's place in the line, in characters, from 1.
    var column: Int
    var characters: [Character]
    var startOffset: Int

    init(at offset: Int, in source: String) {
        let bytes = source.utf8
        let offset = max(0, min(offset, bytes.count))
        var number = 1
        var start = 0
        var end = bytes.count
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            if index >= offset {
                end = index
                break
            }
            number += 1
            start = index + 1
        }
        let lineBytes = bytes.dropFirst(start).prefix(end - start)
        var characters = Array(String(decoding: lineBytes, as: UTF8.self))
        if characters.last == "\r" { characters.removeLast() }
        var column = 1
        var place = start
        for character in characters {
            place += character.utf8.count
            if place > offset { break }
            column += 1
        }
        self.number = number
        self.column = column
        self.characters = characters
        self.startOffset = start
    }
}
