// JSONMaking: JSON objects and arrays made of values, but for those that are NULL or come again.

import Columns
import Planning

enum JSONMaking {
    static func kernel(_ function: ScalarFunction) -> Kernel? {
        switch function {
        case .jsonSparseArray: return sparseArray
        case .jsonSparseObject: return sparseObject
        case .jsonObjectOfEntries: return ofEntries
        default: return nil
        }
    }

    private static let sparseArray: Kernel = { call in
        let cells = call.operands.map { RowText([$0.column]) }
        let buffer = ByteBuffer()
        return call.texts(strict: false) { row, writer in
            buffer.clear()
            buffer.append(0x5B)
            for (index, cell) in cells.enumerated() where !call.operands[index].isNull(row) {
                if buffer.count > 1 { buffer.append(0x2C) }
                cell.appendJSON(0, row & call.operands[index].mask, to: buffer)
            }
            buffer.append(0x5D)
            writer.append(buffer.text)
            return true
        }
    }

    private static let sparseObject: Kernel = { call in
        let cells = call.operands.map { RowText([$0.column]) }
        let buffer = ByteBuffer()
        let key = ByteBuffer()
        return call.texts(strict: false) { row, writer in
            buffer.clear()
            buffer.append(0x7B)
            for index in stride(from: 0, to: cells.count - 1, by: 2) {
                if call.operands[index].isNull(row) {
                    call.fail(row, "a key of a JSON object cannot be NULL")
                    return false
                }
                if call.operands[index + 1].isNull(row) { continue }
                if buffer.count > 1 { buffer.append(0x2C) }
                key.clear()
                cells[index].append(0, row & call.operands[index].mask, to: key)
                JSONText.append(string: key.text, to: buffer)
                buffer.append(0x3A)
                cells[index + 1].appendJSON(0, row & call.operands[index + 1].mask, to: buffer)
            }
            buffer.append(0x7D)
            writer.append(buffer.text)
            return true
        }
    }

    /// A key stands where it came first, with the value that came last.
    private static let ofEntries: Kernel = { call in
        let operand = call.operands[0]
        let entries = operand.column.children[0]
        guard entries.children.count == 2 else { return Column.constant(.null, type: call.type, count: call.rows) }
        let (keys, values) = (entries.children[0], RowText([entries.children[1]]))
        let buffer = ByteBuffer()
        return call.texts { row, writer in
            var places: [[UInt8]: Int] = [:]
            var members: [(key: Int, value: Int)] = []
            for element in operand.elements(row) ?? 0..<0 {
                if keys.isNull(element) {
                    call.fail(row, "a key of a JSON object cannot be NULL")
                    return false
                }
                let key = Array(keys.strings[element].bytes)
                if let place = places[key] {
                    members[place].value = element
                } else {
                    places[key] = members.count
                    members.append((element, element))
                }
            }
            buffer.clear()
            buffer.append(0x7B)
            for (index, member) in members.enumerated() {
                if index > 0 { buffer.append(0x2C) }
                JSONText.append(string: keys.strings[member.key].bytes, to: buffer)
                buffer.append(0x3A)
                values.appendJSON(0, member.value, to: buffer)
            }
            buffer.append(0x7D)
            writer.append(buffer.text)
            return true
        }
    }
}
