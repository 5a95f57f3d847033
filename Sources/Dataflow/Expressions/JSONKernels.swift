// JSONKernels: functions of JSON. Results that are parts of the argument are views into it.

import Columns
import Planning

enum JSONKernels {
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        switch request.function {
        case .jsonGet: return get(request, asText: false)
        case .jsonGetText: return get(request, asText: true)
        case .jsonExtractPath: return extractPath(asText: false)
        case .jsonExtractPathText: return extractPath(asText: true)
        case .jsonValue, .jsonQuery, .jsonExists, .jsonQueryWrapped, .jsonOutcome: return try path(request)
        case .jsonSparseObject, .jsonSparseArray, .jsonObjectOfEntries: return JSONMaking.kernel(request.function)
        case .jsonContains:
            return { call in
                let (whole, part) = (call.operands[0].strings, call.operands[1].strings)
                return call.bools { contains(JSONValue(whole[$0]), JSONValue(part[$0]), isTop: true, 0) }
            }
        case .jsonArrayLength:
            return { call in
                let values = call.operands[0].strings
                return call.int64s { row in
                    let value = JSONValue(values[row])
                    if value.kind == .array { return Int64(value.elementCount) }
                    call.fail(row, "cannot get the array length of a JSON \(value.kind.rawValue)")
                    return nil
                }
            }
        case .jsonTypeof:
            return { call in
                let values = call.operands[0].strings
                return call.texts { row, writer in
                    writer.append(JSONValue(values[row]).kind.rawValue)
                    return true
                }
            }
        case .jsonValid:
            return { call in
                let values = call.operands[0].strings
                let isText = call.operands[0].column.type != .json
                let kinds = call.operands.count > 1 ? call.operands[1].strings : nil
                return call.bools { row in
                    if isText, JSONValidator.fault(values[row].bytes) != nil { return false }
                    guard let kinds else { return true }
                    let kind = JSONValue(values[row]).kind
                    switch String(decoding: kinds[row].bytes, as: UTF8.self).uppercased() {
                    case "VALUE": return true
                    case "OBJECT": return kind == .object
                    case "ARRAY": return kind == .array
                    case "SCALAR": return kind != .object && kind != .array
                    default:
                        call.fail(row, "expected VALUE, SCALAR, OBJECT or ARRAY")
                        return nil
                    }
                }
            }
        case .jsonObjectKeys, .jsonArrayElements, .jsonArrayElementsText: return arrays(request.function)
        case .jsonEach: return each(asText: false)
        case .jsonEachText: return each(asText: true)
        case .jsonStripNulls:
            return { call in
                let values = call.operands[0].strings
                return call.texts { row, writer in
                    strip(JSONValue(values[row]), into: &writer, 0)
                    return true
                }
            }
        case .jsonBuildArray:
            return { call in
                let cells = call.operands.map { RowText([$0.column]) }
                let buffer = ByteBuffer()
                return call.texts(strict: false) { row, writer in
                    buffer.clear()
                    buffer.append(0x5B)
                    for (index, cell) in cells.enumerated() {
                        if index > 0 { buffer.append(0x2C) }
                        cell.appendJSON(0, row & call.operands[index].mask, to: buffer)
                    }
                    buffer.append(0x5D)
                    writer.append(buffer.text)
                    return true
                }
            }
        case .jsonBuildObject: return buildObject
        case .toJSON: return NestedCasts.toJSON
        default: return nil
        }
    }

    /// A part of the argument as JSON, or as the text of a scalar.
    @inline(__always)
    private static func write(_ value: JSONValue?, asText: Bool, _ writer: inout TextWriter) -> Bool {
        guard let value else { return false }
        if asText { return value.writeScalar(to: &writer) }
        writer.share(value.view)
        return true
    }

    private static func get(_ request: KernelRequest, asText: Bool) -> Kernel? {
        if request.arguments.count == 2, request.arguments[1].isInteger {
            return { call in
                let (values, indices) = (call.operands[0].strings, call.operands[1].int64s)
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    guard let index = Int(exactly: indices[row]), index >= -(1 << 32), index <= 1 << 32 else { return false }
                    return write(JSONValue(values[row]).element(index), asText: asText, &writer)
                }
            }
        }
        return { call in
            let (values, keys) = (call.operands[0].strings, call.operands[1].strings)
            return call.texts(sharing: [call.operands[0]]) { row, writer in
                write(JSONValue(values[row]).member(keys[row].bytes), asText: asText, &writer)
            }
        }
    }

    private static func extractPath(asText: Bool) -> Kernel {
        { call in
            let values = call.operands[0].strings
            let keys = call.operands.dropFirst().map(\.strings)
            return call.texts(sharing: [call.operands[0]]) { row, writer in
                var value: JSONValue? = JSONValue(values[row])
                for key in keys {
                    guard let container = value else { break }
                    if container.kind == .array {
                        value = Int32(String(decoding: key[row].bytes, as: UTF8.self)).flatMap { container.element(Int($0)) }
                    } else {
                        value = container.member(key[row].bytes)
                    }
                }
                return write(value, asText: asText, &writer)
            }
        }
    }

    // MARK: Paths

    private static func path(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        var known: JSONPath?
        if let text = request.text(1) {
            do throws(JSONPath.Fault) { known = try JSONPath(text) } catch { throw ExpressionError(error.message, expression: request.text) }
        }
        let constant = known
        @Sendable func isJSON(_ call: KernelCall, _ row: Int) -> Bool {
            call.operands[0].column.type == .json || JSONValidator.fault(call.operands[0].strings[row].bytes) == nil
        }
        @Sendable func follow(_ call: KernelCall, _ row: Int) -> [JSONValue]? {
            let value = call.operands[0].strings[row]
            // Of a VARCHAR that is no JSON nothing is found.
            if !isJSON(call, row) { return [] }
            if let constant { return constant.follow(JSONValue(value)) }
            do throws(JSONPath.Fault) {
                return try JSONPath(Array(call.operands[1].strings[row].bytes)).follow(JSONValue(value))
            } catch {
                call.fail(row, error.message)
                return nil
            }
        }
        switch request.function {
        case .jsonOutcome:
            let purpose = request.text(2).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let failing = request.text(3).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return { call in
                call.texts { row, writer in
                    var outcome: StaticString = "ok"
                    if !isJSON(call, row) {
                        outcome = "error"
                        if failing.contains("error") {
                            call.fail(row, "the text is no JSON")
                            return false
                        }
                    } else if let found = follow(call, row) {
                        let isEmpty = found.isEmpty && purpose != "exists"
                        let isFault = purpose == "value" ? found.count > 1 || found.first?.isContainer ?? false : purpose == "query" && found.count > 1
                        outcome = isEmpty ? "empty" : isFault ? "error" : "ok"
                        if isEmpty && failing.contains("empty") || isFault && failing.contains("error") {
                            call.fail(row, isEmpty ? "the JSON path leads nowhere" : found.count > 1 ? "the JSON path leads to several values" : "the JSON path leads to no scalar")
                            return false
                        }
                    } else {
                        return false
                    }
                    outcome.withUTF8Buffer { writer.append($0) }
                    return true
                }
            }
        case .jsonQueryWrapped:
            let isConditional = request.text(2).map { String(decoding: $0, as: UTF8.self) } == "CONDITIONAL"
            return { call in
                call.texts(sharing: [call.operands[0]]) { row, writer in
                    guard let found = follow(call, row), !found.isEmpty else { return false }
                    if isConditional, found.count == 1, found[0].isContainer {
                        writer.share(found[0].view)
                        return true
                    }
                    writer.append(0x5B)
                    for (index, value) in found.enumerated() {
                        if index > 0 { writer.append(0x2C) }
                        writer.append(value.bytes)
                    }
                    writer.append(0x5D)
                    return true
                }
            }
        case .jsonExists: return { call in call.bools { row in follow(call, row).map { !$0.isEmpty } } }
        case .jsonValue:
            return { call in
                call.texts(sharing: [call.operands[0]]) { row, writer in
                    guard let found = follow(call, row), found.count == 1, !found[0].isContainer else { return false }
                    return found[0].writeScalar(to: &writer)
                }
            }
        default:
            return { call in
                call.texts(sharing: [call.operands[0]]) { row, writer in
                    guard let found = follow(call, row), found.count == 1 else { return false }
                    writer.share(found[0].view)
                    return true
                }
            }
        }
    }

    /// PostgreSQL's containment: members of objects by key, elements of arrays in any order; an array contains a scalar that it has, at the top only.
    private static func contains(_ whole: JSONValue, _ part: JSONValue, isTop: Bool, _ depth: Int) -> Bool {
        guard depth <= JSONValidator.depthMax else { return false }
        switch (whole.kind, part.kind) {
        case (.object, .object):
            var isHeld = true
            part.forEachMember { key, value in
                isHeld = key.scalarBytes.flatMap { bytes in bytes.withUnsafeBufferPointer { whole.member($0) } }.map { contains($0, value, isTop: false, depth + 1) } ?? false
                return isHeld
            }
            return isHeld
        case (.array, .array):
            var isHeld = true
            part.forEachElement { wanted in
                isHeld = has(whole, wanted, depth)
                return isHeld
            }
            return isHeld
        case (.array, .object): return false
        case (.array, _): return isTop && has(whole, part, depth)
        case (.object, _), (_, .object), (_, .array): return false
        case (.number, .number):
            if whole.bytes.elementsEqual(part.bytes) { return true }
            guard let a = Double(String(decoding: whole.bytes, as: UTF8.self)), let b = Double(String(decoding: part.bytes, as: UTF8.self)) else { return false }
            return a == b
        case (.string, .string):
            guard let a = whole.scalarBytes, let b = part.scalarBytes else { return false }
            return a == b
        default: return whole.kind == part.kind && whole.bytes.elementsEqual(part.bytes)
        }
    }

    private static func has(_ array: JSONValue, _ wanted: JSONValue, _ depth: Int) -> Bool {
        var isFound = false
        array.forEachElement { element in
            isFound = contains(element, wanted, isTop: false, depth + 1)
            return !isFound
        }
        return isFound
    }

    // MARK: Arrays and maps

    private static func arrays(_ function: ScalarFunction) -> Kernel {
        { call in
            let operand = call.operands[0]
            let builder = ColumnBuilder(call.type, capacity: call.rows)
            guard let elements = builder.listElements else { return Column.constant(.null, type: call.type, count: call.rows) }
            elements.keepAlive(operand.column.owners)
            let wanted: JSONValue.Kind = function == .jsonObjectKeys ? .object : .array
            for row in 0..<call.rows {
                if operand.isNull(row) {
                    builder.appendNull()
                    continue
                }
                let value = JSONValue(operand.strings[row])
                guard value.kind == wanted else {
                    call.fail(row, "expected a JSON \(wanted.rawValue), not a JSON \(value.kind.rawValue)")
                    builder.appendNull()
                    continue
                }
                let start = elements.count
                if wanted == .object {
                    value.forEachMember { key, _ in
                        append(key, asText: true, to: elements)
                        return true
                    }
                } else {
                    value.forEachElement { element in
                        append(element, asText: function == .jsonArrayElementsText, to: elements)
                        return true
                    }
                }
                builder.appendList(elementCount: elements.count - start)
            }
            return builder.finish()
        }
    }

    private static func append(_ value: JSONValue, asText: Bool, to builder: ColumnBuilder) {
        guard asText else { return builder.append(view: value.view) }
        guard let bytes = value.scalarBytes else { return builder.appendNull() }
        bytes.withUnsafeBufferPointer { builder.append(bytes: $0) }
    }

    private static func each(asText: Bool) -> Kernel {
        { call in
            let operand = call.operands[0]
            let builder = ColumnBuilder(call.type, capacity: call.rows)
            guard let entries = builder.listElements, entries.fields.count == 2 else {
                return Column.constant(.null, type: call.type, count: call.rows)
            }
            entries.fields[1].keepAlive(operand.column.owners)
            for row in 0..<call.rows {
                if operand.isNull(row) {
                    builder.appendNull()
                    continue
                }
                let value = JSONValue(operand.strings[row])
                guard value.kind == .object else {
                    call.fail(row, "expected a JSON object, not a JSON \(value.kind.rawValue)")
                    builder.appendNull()
                    continue
                }
                let start = entries.count
                value.forEachMember { key, member in
                    append(key, asText: true, to: entries.fields[0])
                    append(member, asText: asText, to: entries.fields[1])
                    entries.appendStructure()
                    return true
                }
                builder.appendList(elementCount: entries.count - start)
            }
            return builder.finish()
        }
    }

    // MARK: Writing

    private static let buildObject: Kernel = { call in
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
                if index > 0 { buffer.append(0x2C) }
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

    /// Without members that are null, at any depth. JSON is no deeper than `JSONValidator.depthMax`; what claims to be is left as it is.
    private static func strip(_ value: JSONValue, into writer: inout TextWriter, _ depth: Int) {
        guard value.isContainer, depth <= JSONValidator.depthMax else { return writer.append(value.bytes) }
        // Collected first: a closure cannot hold the writer.
        var members: [(key: JSONValue?, value: JSONValue)] = []
        if value.kind == .object {
            value.forEachMember { key, member in
                if member.kind != .null { members.append((key, member)) }
                return true
            }
        } else {
            value.forEachElement { element in
                members.append((nil, element))
                return true
            }
        }
        writer.append(value.kind == .object ? 0x7B : 0x5B)
        for (index, member) in members.enumerated() {
            if index > 0 { writer.append(0x2C) }
            if let key = member.key {
                writer.append(key.bytes)
                writer.append(0x3A)
            }
            strip(member.value, into: &writer, depth + 1)
        }
        writer.append(value.kind == .object ? 0x7D : 0x5D)
    }
}
