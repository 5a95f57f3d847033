// JSONLineParser: one JSON object → one row of column slots.
//
// A position is passed from function to function and comes back behind what was parsed, or nil, in which case `fault` says what is
// wrong and where. Nobody is told where the line ends: a line feed follows every line, and is accepted by nothing, so that every scan ends
// there at the latest. All state is plain memory behind pointers: no reference counting, no bounds checks, no generic calls per row.
//
// Strings without escapes become views of the input (or copies, see `copiesStrings`), others are unescaped into the slots' heap.

struct JSONFault {
    enum Code {
        case notAnObject, notAKey, noColon, noCommaOrBrace, noCommaOrBracket, notAValue, badNumber, badLiteral, badEscape
        case loneSurrogate, controlCharacter, unterminated, tooDeep, trailing
        /// A value of the wrong kind for its column.
        case mismatch
        /// A number with a fraction for an integer column.
        case notInteger
        /// A number or text that the column's type does not take: `text` says why.
        case text
        case isNull, isMissing
        case invalidUTF8, lineTooLong
        /// Of a change event: see DebeziumEnvelope.
        case noOperation, badOperation, noBefore, noAfter
    }

    var code = Code.notAValue
    var position = EmptyBytes.pointer
    var end = EmptyBytes.pointer
    /// -1 when the fault is in no column.
    var slotIndex = -1
    var text = TextError.invalid
}

struct JSONLineParser {
    typealias Position = UnsafePointer<UInt8>
    typealias Slot = UnsafeMutablePointer<ColumnSlot>

    let slots: ColumnSlots
    let shapes: JSONShapes
    let heap: UnsafeMutablePointer<StringHeap>
    let depthMax: Int
    var copiesStrings = true
    /// Bytes of strings that were wanted, since it was last set to zero.
    var stringByteCount = 0
    var fault = JSONFault()
    /// Objects begun so far: what a slot's stamp is compared with.
    private(set) var objectSerial: UInt64 = 0

    init(slots: ColumnSlots, shapes: JSONShapes, depthMax: Int) {
        self.slots = slots
        self.shapes = shapes
        self.depthMax = depthMax
        heap = slots.heap
    }

    /// One value of any kind, with spaces around it.
    mutating func parseWhole(_ start: Position, _ slot: Slot, _ row: Int) -> Position? {
        parseValue(start, slot, row, 1).map { JSONScan.skipSpaces($0) }
    }

    // MARK: Objects

    /// The members of an object, from behind its brace to behind the closing one, as row `row` of the shape's fields.
    mutating func parseObject(_ start: Position, _ shape: UnsafeMutablePointer<JSONShape>, row: Int, depth: Int) -> Position? {
        objectSerial &+= 1
        let stamp = objectSerial
        var p = start
        var fieldsSeen = 0
        var expected = shape.pointee.first
        // The key before, whose memory of what follows is corrected when the guess was wrong; none before the first.
        var previous: UnsafeMutablePointer<JSONKey>?
        if p.pointee <= 0x20 { p = JSONScan.skipSpaces(p) }
        if p.pointee == 0x7D {
            p += 1
        } else {
            while true {
                if p.pointee <= 0x20 { p = JSONScan.skipSpaces(p) }
                let key: UnsafeMutablePointer<JSONKey>
                if expected.pointee.matches(p) {
                    key = expected
                    p += expected.pointee.patternCount
                } else {
                    guard let behind = findKey(p, shape, &expected) else { return nil }
                    p = behind
                    key = expected
                    if let previous { previous.pointee.next = key } else { shape.pointee.first = key }
                }
                let slot = key.pointee.slot
                if slot.pointee.stamp == stamp {
                    // The key once more: the last value counts.
                    slots.resetBits(slot, row)
                } else if slot.pointee.kind != .ignored {
                    slot.pointee.stamp = stamp
                    fieldsSeen &+= 1
                }
                guard let behind = parseValue(p, slot, row, depth) else { return nil }
                p = behind
                if p.pointee <= 0x20 { p = JSONScan.skipSpaces(p) }
                previous = key
                expected = key.pointee.next
                if p.pointee == 0x2C {
                    p += 1
                } else if p.pointee == 0x7D {
                    p += 1
                    break
                } else {
                    return fail(.noCommaOrBrace, p)
                }
            }
        }
        if fieldsSeen != shape.pointee.fieldCount {
            guard fillMissing(shape, row: row, stamp: stamp, at: p) else { return nil }
        }
        return p
    }

    /// NULL for the fields that the object did not have.
    @inline(never)
    private mutating func fillMissing(_ shape: UnsafeMutablePointer<JSONShape>, row: Int, stamp: UInt64, at p: Position) -> Bool {
        for index in 0..<shape.pointee.fieldCount {
            let field = shape.pointee.fields + index
            if field.pointee.stamp == stamp { continue }
            if field.pointee.isRequired, !slots.isWaived(field, row, stamp: stamp) {
                _ = fail(.isMissing, p - 1, slot: field)
                return false
            }
            ColumnSlots.setNull(field, row)
        }
        return true
    }

    /// The key at `p`, whatever it is; the position behind its colon.
    @inline(never)
    private mutating func findKey(
        _ start: Position, _ shape: UnsafeMutablePointer<JSONShape>, _ key: inout UnsafeMutablePointer<JSONKey>
    ) -> Position? {
        guard start.pointee == 0x22 else { return fail(.notAKey, start) }
        var p = JSONScan.stringEnd(start + 1)
        if p.pointee == 0x22 {
            key = shapes.find(TextBytes(start: start + 1, count: p - start - 1), shape, isPlain: true)
            p += 1
        } else {
            guard let text = unescape(start + 1, p) else { return nil }
            key = shapes.find(TextBytes(start: text.start, count: text.count), shape, isPlain: false)
            p = text.end
        }
        p = JSONScan.skipSpaces(p)
        guard p.pointee == 0x3A else { return fail(.noColon, p) }
        return p + 1
    }

    // MARK: Values

    /// One value into row `row` of a slot: the common forms of the common types here, anything else in `parseOther`.
    @inline(__always)
    private mutating func parseValue(_ start: Position, _ slot: Slot, _ row: Int, _ depth: Int) -> Position? {
        var p = start
        if p.pointee <= 0x20 { p = JSONScan.skipSpaces(p) }
        switch slot.pointee.kind {
        case .integer: return parseInteger(p, slot, row, depth)
        case .varchar:
            guard p.pointee == 0x22 else { return parseOther(p, slot, row, depth) }
            let end = JSONScan.stringEnd(p + 1)
            guard end.pointee == 0x22, end - p - 1 <= slot.pointee.lengthMax else { return parseOther(p, slot, row, depth) }
            storeString(p + 1, end - p - 1, slot, row)
            return end + 1
        case .timestamp: return parseTimestamp(p, slot, row, depth)
        case .ignored:
            guard p.pointee == 0x22 else { return skipValue(p, depth) }
            let end = JSONScan.stringEnd(p + 1)
            return end.pointee == 0x22 ? end + 1 : skipValue(p, depth)
        case .structure:
            guard p.pointee == 0x7B, let shape = slot.pointee.shape else { return parseOther(p, slot, row, depth) }
            guard depth < depthMax else { return fail(.tooDeep, p) }
            return parseObject(p + 1, shape, row: row, depth: depth &+ 1)
        default: return parseOther(p, slot, row, depth)
        }
    }

    @inline(__always)
    private mutating func parseInteger(_ start: Position, _ slot: Slot, _ row: Int, _ depth: Int) -> Position? {
        var p = start
        let negative = p.pointee == 0x2D
        if negative { p += 1 }
        let first = UnsafeRawPointer(p).loadUnaligned(as: UInt64.self) ^ 0x3030_3030_3030_3030
        var count = JSONScan.digitRun(first)
        var magnitude: UInt64
        if count < 8 {
            // No digit at all, or a zero before others: not a number of this form.
            guard count > 0, first & 0xFF != 0 || count == 1 else { return parseOther(start, slot, row, depth) }
            magnitude = JSONScan.number(first &<< UInt64(64 &- count &* 8))
        } else {
            guard first & 0xFF != 0 else { return parseOther(start, slot, row, depth) }
            magnitude = JSONScan.number(first)
            while p[count] &- 0x30 < 10 && count < 19 {
                magnitude = magnitude &* 10 &+ UInt64(p[count] &- 0x30)
                count &+= 1
            }
            // 19 digits are below 2^64; whether they are below 2^63 is seen below.
            guard p[count] &- 0x30 >= 10, magnitude <= UInt64(Int64.max) else { return parseOther(start, slot, row, depth) }
        }
        p += count
        let after = p.pointee
        guard after != 0x2E && after | 0x20 != 0x65 else { return parseOther(start, slot, row, depth) }
        let positive = Int64(truncatingIfNeeded: magnitude)
        let value = negative ? 0 &- positive : positive
        guard value >= slot.pointee.minimum && value <= slot.pointee.maximum else { return parseOther(start, slot, row, depth) }
        slot.pointee.values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        return p
    }

    /// `"YYYY-MM-DDTHH:MM:SS.mmm"`; the date is compared with the one before, as most rows share it.
    @inline(__always)
    private mutating func parseTimestamp(_ p: Position, _ slot: Slot, _ row: Int, _ depth: Int) -> Position? {
        guard p.pointee == 0x22, p[24] == 0x22 else { return parseOther(p, slot, row, depth) }
        let raw = UnsafeRawPointer(p)
        let head = raw.loadUnaligned(fromByteOffset: 1, as: UInt64.self)
        let tail = raw.loadUnaligned(fromByteOffset: 9, as: UInt16.self)
        let dateMicroseconds: Int64
        if head == slot.pointee.lastDateHead && tail == slot.pointee.lastDateTail {
            dateMicroseconds = slot.pointee.lastDateMicroseconds
        } else {
            guard let days = TimestampText.parseFixedDate(p + 1) else { return parseOther(p, slot, row, depth) }
            dateMicroseconds = days &* CivilCalendar.microsecondsPerDay
            slot.pointee.lastDateHead = head
            slot.pointee.lastDateTail = tail
            slot.pointee.lastDateMicroseconds = dateMicroseconds
        }
        guard let time = TimestampText.parseFixedTime(p + 1) else { return parseOther(p, slot, row, depth) }
        var value = dateMicroseconds &+ time
        if slot.pointee.precision < 3 {
            value = CivilCalendar.truncate(microseconds: value, precision: slot.pointee.precision)
        }
        slot.pointee.values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        return p + 25
    }

    @inline(__always)
    private mutating func storeString(_ start: Position, _ count: Int, _ slot: Slot, _ row: Int) {
        stringByteCount &+= count
        let bytes = copiesStrings ? heap.pointee.copyPadded(start, count) : start
        slot.pointee.values.storeBytes(of: StringView(bytes, count: count), toByteOffset: row &* 16, as: StringView.self)
    }

    /// A value of any form for a slot of any kind.
    @inline(never)
    private mutating func parseOther(_ p: Position, _ slot: Slot, _ row: Int, _ depth: Int) -> Position? {
        if slot.pointee.kind == .ignored { return skipValue(p, depth) }
        if slot.pointee.kind == .json && p.pointee != 0x6E {
            guard let end = skipValue(p, depth) else { return nil }
            return storeRaw(p, end, slot, row) ? end : nil
        }
        switch p.pointee {
        case 0x6E:
            guard let end = literal(p, "null") else { return nil }
            if slot.pointee.isRequired, !slots.isWaived(slot, row, stamp: slot.pointee.stamp) { return fail(.isNull, p, slot: slot) }
            ColumnSlots.setNull(slot, row)
            return end
        case 0x22: return parseQuoted(p, slot, row)
        case 0x2D, 0x30...0x39:
            guard let end = scanNumber(p) else { return nil }
            return storeNumber(p, end, slot, row) ? end : nil
        case 0x74, 0x66:
            let isTrue = p.pointee == 0x74
            guard let end = isTrue ? literal(p, "true") : literal(p, "false") else { return nil }
            switch slot.pointee.kind {
            case .boolean: slot.pointee.values.storeBytes(of: isTrue ? 1 : 0, toByteOffset: row, as: UInt8.self)
            case .varchar: return storeRaw(p, end, slot, row) ? end : nil
            default: return fail(.mismatch, p, slot: slot)
            }
            return end
        case 0x7B, 0x5B:
            switch slot.pointee.kind {
            case .structure:
                guard p.pointee == 0x7B, let shape = slot.pointee.shape else { return fail(.mismatch, p, slot: slot) }
                guard depth < depthMax else { return fail(.tooDeep, p) }
                return parseObject(p + 1, shape, row: row, depth: depth + 1)
            case .list:
                guard p.pointee == 0x5B else { return fail(.mismatch, p, slot: slot) }
                guard depth < depthMax else { return fail(.tooDeep, p) }
                return parseArray(p + 1, slot, row, depth + 1)
            case .map:
                guard p.pointee == 0x7B else { return fail(.mismatch, p, slot: slot) }
                guard depth < depthMax else { return fail(.tooDeep, p) }
                return parseMap(p + 1, slot, row, depth + 1)
            case .varchar:
                // The text of the object or array, as it stands.
                guard let end = skipValue(p, depth) else { return nil }
                return storeRaw(p, end, slot, row) ? end : nil
            default: return fail(.mismatch, p, slot: slot)
            }
        default: return fail(.notAValue, p, slot: slot)
        }
    }

    /// The elements of an array, from behind its bracket.
    private mutating func parseArray(_ start: Position, _ slot: Slot, _ row: Int, _ depth: Int) -> Position? {
        let element = slot.pointee.children
        let offset = element.pointee.elementCount
        var p = JSONScan.skipSpaces(start)
        if p.pointee == 0x5D {
            p += 1
        } else {
            while true {
                if element.pointee.elementCount >= element.pointee.capacity { slots.growElements(element) }
                let position = element.pointee.elementCount
                guard position < Int(UInt32.max) else { return fail(.tooDeep, p, slot: slot) }
                guard let behind = parseValue(p, element, position, depth) else {
                    // Its bits are taken back with those of the elements before it.
                    element.pointee.elementCount = position + 1
                    return nil
                }
                element.pointee.elementCount = position + 1
                p = JSONScan.skipSpaces(behind)
                if p.pointee == 0x2C {
                    p += 1
                } else if p.pointee == 0x5D {
                    p += 1
                    break
                } else {
                    return fail(.noCommaOrBracket, p)
                }
            }
        }
        let view = ListView(
            offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: element.pointee.elementCount - offset))
        slot.pointee.values.storeBytes(of: view, toByteOffset: row &* 8, as: ListView.self)
        return p
    }

    /// The entries of a map, from behind the brace of an object. Keys are texts of the key's type.
    private mutating func parseMap(_ start: Position, _ slot: Slot, _ row: Int, _ depth: Int) -> Position? {
        let entry = slot.pointee.children
        let key = entry.pointee.children
        let value = key + 1
        let offset = entry.pointee.elementCount
        var p = JSONScan.skipSpaces(start)
        if p.pointee == 0x7D {
            p += 1
        } else {
            while true {
                p = JSONScan.skipSpaces(p)
                guard p.pointee == 0x22 else { return fail(.notAKey, p) }
                if entry.pointee.elementCount >= entry.pointee.capacity { slots.growElements(entry) }
                let position = entry.pointee.elementCount
                guard position < Int(UInt32.max) else { return fail(.tooDeep, p, slot: slot) }
                // Counted before it is whole, so that a fault takes its bits back.
                entry.pointee.elementCount = position + 1
                guard let behindKey = parseQuoted(p, key, position) else { return nil }
                p = JSONScan.skipSpaces(behindKey)
                guard p.pointee == 0x3A else { return fail(.noColon, p) }
                guard let behind = parseValue(p + 1, value, position, depth) else { return nil }
                p = JSONScan.skipSpaces(behind)
                if p.pointee == 0x2C {
                    p += 1
                } else if p.pointee == 0x7D {
                    p += 1
                    break
                } else {
                    return fail(.noCommaOrBrace, p)
                }
            }
        }
        let view = ListView(
            offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: entry.pointee.elementCount - offset))
        slot.pointee.values.storeBytes(of: view, toByteOffset: row &* 8, as: ListView.self)
        return p
    }

    // MARK: Texts and numbers

    /// A string for a slot of any kind.
    private mutating func parseQuoted(_ p: Position, _ slot: Slot, _ row: Int) -> Position? {
        let special = JSONScan.stringEnd(p + 1)
        if special.pointee == 0x22 {
            let count = special - p - 1
            if slot.pointee.kind == .varchar {
                guard !UTF8Text.exceeds(TextBytes(start: p + 1, count: count), characters: slot.pointee.lengthMax) else {
                    return failText(.tooLong, p, special + 1, slot)
                }
                storeString(p + 1, count, slot, row)
                return special + 1
            }
            return storeText(TextBytes(start: p + 1, count: count), p, special + 1, slot, row)
        }
        guard let text = unescape(p + 1, special) else { return nil }
        let bytes = TextBytes(start: text.start, count: text.count)
        guard slot.pointee.kind == .varchar else { return storeText(bytes, p, text.end, slot, row) }
        guard !UTF8Text.exceeds(bytes, characters: slot.pointee.lengthMax) else { return failText(.tooLong, p, text.end, slot) }
        stringByteCount &+= text.count
        heap.pointee.commit(text.count)
        slot.pointee.values.storeBytes(of: StringView(text.start, count: text.count), toByteOffset: row &* 16, as: StringView.self)
        return text.end
    }

    private mutating func storeText(_ text: TextBytes, _ p: Position, _ end: Position, _ slot: Slot, _ row: Int) -> Position? {
        switch slot.pointee.kind {
        case .structure, .list, .map, .null: return fail(.mismatch, p, slot: slot)
        default: break
        }
        do throws(TextError) {
            try slots.store(text: text, slot, row)
            return end
        } catch { return failText(error, p, end, slot) }
    }

    /// The bytes of a value as the text of a VARCHAR.
    private mutating func storeRaw(_ p: Position, _ end: Position, _ slot: Slot, _ row: Int) -> Bool {
        if UTF8Text.exceeds(TextBytes(start: p, count: end - p), characters: slot.pointee.lengthMax) {
            _ = failText(.tooLong, p, end, slot)
            return false
        }
        storeString(p, end - p, slot, row)
        return true
    }

    /// A checked number from p to end.
    private mutating func storeNumber(_ p: Position, _ end: Position, _ slot: Slot, _ row: Int) -> Bool {
        let text = TextBytes(start: p, count: end - p)
        let values = slot.pointee.values
        do throws(TextError) {
            switch slot.pointee.kind {
            case .integer:
                let (value, isExact) = try DecimalText.parseNoting(text, precision: 38, scale: 0, rounding: .truncate)
                guard isExact else {
                    _ = fail(.notInteger, p, end, slot: slot)
                    return false
                }
                guard value >= Int128(slot.pointee.minimum), value <= Int128(slot.pointee.maximum) else { throw .outOfRange }
                values.storeBytes(of: Int64(truncatingIfNeeded: value), toByteOffset: row &* 8, as: Int64.self)
            case .double: values.storeBytes(of: try DoubleText.parse(text), toByteOffset: row &* 8, as: Double.self)
            case .real: values.storeBytes(of: try DoubleText.parseReal(text), toByteOffset: row &* 8, as: Double.self)
            case .decimal:
                let value = try DecimalText.parse(text, precision: slot.pointee.precision, scale: slot.pointee.scale)
                values.storeBytes(of: value, toByteOffset: row &* 16, as: Int128.self)
            case .varchar: return storeRaw(p, end, slot, row)
            case .timestamp:
                let millis = try IntegerText.parse(text)
                let value = try TimestampText.parse(epochMilliseconds: millis, precision: slot.pointee.precision)
                values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
            default:
                _ = fail(.mismatch, p, slot: slot)
                return false
            }
            return true
        } catch {
            _ = failText(error, p, end, slot)
            return false
        }
    }

    /// Behind a number, checked against JSON's grammar.
    private mutating func scanNumber(_ start: Position) -> Position? {
        var p = start
        if p.pointee == 0x2D { p += 1 }
        if p.pointee == 0x30 {
            p += 1
        } else {
            guard p.pointee &- 0x30 < 10 else { return fail(.badNumber, start, p) }
            while p.pointee &- 0x30 < 10 { p += 1 }
        }
        if p.pointee == 0x2E {
            p += 1
            guard p.pointee &- 0x30 < 10 else { return fail(.badNumber, start, p) }
            while p.pointee &- 0x30 < 10 { p += 1 }
        }
        if p.pointee | 0x20 == 0x65 {
            p += 1
            if p.pointee == 0x2B || p.pointee == 0x2D { p += 1 }
            guard p.pointee &- 0x30 < 10 else { return fail(.badNumber, start, p) }
            while p.pointee &- 0x30 < 10 { p += 1 }
        }
        // `01`, `1x`: the number goes on with what no number has.
        switch p.pointee {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x5F: return fail(.badNumber, start, p + 1)
        default: return p
        }
    }

    private mutating func literal(_ p: Position, _ word: StaticString) -> Position? {
        for index in 0..<word.utf8CodeUnitCount where p[index] != word.utf8Start[index] { return fail(.badLiteral, p) }
        let end = p + word.utf8CodeUnitCount
        if (end.pointee | 0x20) &- 0x61 < 26 || end.pointee &- 0x30 < 10 { return fail(.badLiteral, p) }
        return end
    }

    // MARK: Escapes

    /// A string from behind its quote, whose first special byte is at `special`, unescaped to the heap's free room (not committed). `end` is
    /// behind the closing quote.
    @inline(never)
    private mutating func unescape(_ start: Position, _ special: Position) -> (start: Position, count: Int, end: Position)? {
        // The closing quote bounds the length.
        var closing = special
        while closing.pointee != 0x22 {
            guard closing.pointee == 0x5C else {
                _ = closing.pointee == 0x0A ? fail(.unterminated, start - 1) : fail(.controlCharacter, closing)
                return nil
            }
            guard closing[1] != 0x0A else {
                _ = fail(.unterminated, start - 1)
                return nil
            }
            closing = closing[1] >= 0x20 ? JSONScan.stringEnd(closing + 2) : closing + 1
        }
        let target = heap.pointee.reserve(closing - start)
        var written = 0
        var p = start
        while p < closing {
            let byte = p.pointee
            if byte != 0x5C {
                target[written] = byte
                written &+= 1
                p += 1
                continue
            }
            let letter = p[1]
            p += 2
            switch letter {
            case 0x22, 0x5C, 0x2F: target[written] = letter
            case 0x6E: target[written] = 0x0A
            case 0x74: target[written] = 0x09
            case 0x72: target[written] = 0x0D
            case 0x62: target[written] = 0x08
            case 0x66: target[written] = 0x0C
            case 0x75:
                guard var scalar = hexadecimal(p) else {
                    _ = fail(.badEscape, p - 2)
                    return nil
                }
                p += 4
                if scalar & 0xF800 == 0xD800 {
                    // A pair: the high half first, then the low half, and neither alone.
                    guard scalar < 0xDC00, p[0] == 0x5C, p[1] == 0x75, let low = hexadecimal(p + 2), low & 0xFC00 == 0xDC00 else {
                        _ = fail(.loneSurrogate, p - 6)
                        return nil
                    }
                    p += 6
                    scalar = 0x10000 + ((scalar & 0x3FF) << 10 | (low & 0x3FF))
                }
                written &+= JSONLineParser.writeUTF8(scalar, target + written)
                continue
            default:
                _ = fail(.badEscape, p - 2)
                return nil
            }
            written &+= 1
        }
        return (UnsafePointer(target), written, closing + 1)
    }

    private func hexadecimal(_ p: Position) -> UInt32? {
        var value: UInt32 = 0
        for index in 0..<4 {
            guard let digit = BytesText.hexadecimalDigit(p[index]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private static func writeUTF8(_ scalar: UInt32, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: scalar >> shift & 0x3F) }
        if scalar < 0x80 {
            target[0] = UInt8(truncatingIfNeeded: scalar)
            return 1
        }
        if scalar < 0x800 {
            target[0] = 0xC0 | UInt8(truncatingIfNeeded: scalar >> 6)
            target[1] = tail(0)
            return 2
        }
        if scalar < 0x10000 {
            target[0] = 0xE0 | UInt8(truncatingIfNeeded: scalar >> 12)
            target[1] = tail(6)
            target[2] = tail(0)
            return 3
        }
        target[0] = 0xF0 | UInt8(truncatingIfNeeded: scalar >> 18)
        target[1] = tail(12)
        target[2] = tail(6)
        target[3] = tail(0)
        return 4
    }

    // MARK: Skipping

    /// Behind a value of any kind, checked as JSON but kept nowhere. Recursion ends at `depthMax`.
    private mutating func skipValue(_ start: Position, _ depth: Int) -> Position? {
        var p = JSONScan.skipSpaces(start)
        switch p.pointee {
        case 0x22: return skipString(p)
        case 0x2D, 0x30...0x39: return scanNumber(p)
        case 0x74: return literal(p, "true")
        case 0x66: return literal(p, "false")
        case 0x6E: return literal(p, "null")
        case 0x7B:
            guard depth < depthMax else { return fail(.tooDeep, p) }
            p = JSONScan.skipSpaces(p + 1)
            if p.pointee == 0x7D { return p + 1 }
            while true {
                p = JSONScan.skipSpaces(p)
                guard p.pointee == 0x22 else { return fail(.notAKey, p) }
                guard let behindKey = skipString(p) else { return nil }
                p = JSONScan.skipSpaces(behindKey)
                guard p.pointee == 0x3A else { return fail(.noColon, p) }
                guard let behind = skipValue(p + 1, depth + 1) else { return nil }
                p = JSONScan.skipSpaces(behind)
                if p.pointee == 0x7D { return p + 1 }
                guard p.pointee == 0x2C else { return fail(.noCommaOrBrace, p) }
                p += 1
            }
        case 0x5B:
            guard depth < depthMax else { return fail(.tooDeep, p) }
            p = JSONScan.skipSpaces(p + 1)
            if p.pointee == 0x5D { return p + 1 }
            while true {
                guard let behind = skipValue(p, depth + 1) else { return nil }
                p = JSONScan.skipSpaces(behind)
                if p.pointee == 0x5D { return p + 1 }
                guard p.pointee == 0x2C else { return fail(.noCommaOrBracket, p) }
                p += 1
            }
        default: return fail(.notAValue, p)
        }
    }

    private mutating func skipString(_ start: Position) -> Position? {
        let end = JSONScan.stringEnd(start + 1)
        if end.pointee == 0x22 { return end + 1 }
        return unescape(start + 1, end)?.end
    }

    // MARK: Faults

    @inline(never)
    mutating func fail(_ code: JSONFault.Code, _ position: Position, _ end: Position? = nil, slot: Slot? = nil) -> Position? {
        fault = JSONFault(code: code, position: position, end: end ?? position, slotIndex: slot?.pointee.index ?? -1)
        return nil
    }

    @inline(never)
    private mutating func failText(_ error: TextError, _ position: Position, _ end: Position, _ slot: Slot) -> Position? {
        fault = JSONFault(code: .text, position: position, end: end, slotIndex: slot.pointee.index, text: error)
        return nil
    }
}
