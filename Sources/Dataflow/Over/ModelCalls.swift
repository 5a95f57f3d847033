// ModelCalls: the calls of models of one node as they are computed: where a row's values lie, which model takes them, and how the numbers
// that it gives become columns. Shared by all partitions; nothing in it changes.
//
// NULL is NaN to a model, in both directions.

import Anomaly
import Columns
import Glibc
import Planning

final class ModelCalls: Sendable {
    /// A column of a point within a packed row.
    private struct Operand: Sendable {
        var offset: Int
        var mask: Int
        var bit: UInt64
    }

    private struct Call: Sendable {
        var model: AnomalyModel
        var operands: Range<Int>
        var outputs: [ModelOutput]
        var resultType: SQLType
        /// Among the numbers of a row.
        var place: Int
    }

    private let calls: [Call]
    private let operands: [Operand]
    /// The first order key, when it is a time that ascends: its place in a packed row, and how many microseconds its unit has.
    private let time: (offset: Int, mask: Int, bit: UInt64, microseconds: Int64)?
    /// How many numbers all calls give for a row.
    let width: Int
    /// The most columns that a point of a call has.
    let valueCountMax: Int

    /// Times are kept so far apart at most that their differences are numbers too.
    private static let timeLimit = Int64(1) << 61

    init(_ node: OverNode, layout: RankLayout) throws(DataflowError) {
        func place(_ column: Int) -> (offset: Int, mask: Int, bit: UInt64) {
            (layout.order.byteCount + layout.payload.offsets[column], layout.order.byteCount + column / 64 * 8, 1 << UInt64(column & 63))
        }
        var calls: [Call] = []
        var operands: [Operand] = []
        var width = 0
        for call in node.calls {
            guard case .model(let settings) = call.function else {
                throw DataflowError("\(call.text) cannot stand in one operator with an anomaly function")
            }
            guard let function = ModelFunction.named(settings.function), function.valueCount.contains(settings.valueCount),
                settings.valueCount == call.arguments.count, function.parameters.count == settings.parameterBits.count
            else { throw DataflowError("there is no anomaly function \(settings.function) with \(call.arguments.count) columns") }
            let model: AnomalyModel
            do { model = try function.make(settings.valueCount, settings.parameters) } catch { throw DataflowError(error.message) }
            let first = operands.count
            for argument in call.arguments {
                let place = place(argument)
                let type = layout.inputTypes[argument]
                guard type == .double else { throw DataflowError("\(settings.function) of type \(type.name) is not supported") }
                operands.append(Operand(offset: place.offset, mask: place.mask, bit: place.bit))
            }
            let outputCount = function.outputs.reduce(0) { $0 + ($1.kind == .doublePerColumn ? settings.valueCount : 1) }
            guard outputCount == model.outputCount, model.valueCount == settings.valueCount else {
                throw DataflowError("the model of \(settings.function) gives other numbers than the function says")
            }
            calls.append(
                Call(
                    model: model, operands: first..<operands.count, outputs: function.outputs, resultType: function.resultType, place: width))
            width += outputCount
        }
        self.calls = calls
        self.operands = operands
        self.width = max(width, 1)
        valueCountMax = max(calls.map(\.operands.count).max() ?? 1, 1)
        var time: (offset: Int, mask: Int, bit: UInt64, microseconds: Int64)?
        if let key = node.order.first, !key.isDescending {
            let place = place(key.column)
            switch layout.inputTypes[key.column] {
            case .timestamp, .timestampTZ, .time: time = (place.offset, place.mask, place.bit, 1)
            case .date: time = (place.offset, place.mask, place.bit, 86_400_000_000)
            default: break
            }
        }
        self.time = time
    }

    var models: [AnomalyModel] { calls.map(\.model) }

    // MARK: Rows

    /// The time of a row; nil where the rows' numbers stand for it, or where it is NULL.
    @inline(__always)
    func time(_ row: UnsafeRawPointer) -> Int64? {
        guard let time, row.loadUnaligned(fromByteOffset: time.mask, as: UInt64.self) & time.bit == 0 else { return nil }
        let value = row.loadUnaligned(fromByteOffset: time.offset, as: Int64.self)
        let (product, overflowed) = value.multipliedReportingOverflow(by: time.microseconds)
        let limit = ModelCalls.timeLimit
        return overflowed ? (value < 0 ? -limit : limit) : min(max(product, -limit), limit)
    }

    var hasTime: Bool { time != nil }

    /// Gives a row to every model: `block` holds their states, at `offsets`; `values` has room for `valueCountMax`, `numbers` for `width`.
    @inline(__always)
    func step(
        _ row: UnsafeRawPointer, timeMicroseconds: Int64, block: UnsafeMutableRawPointer, offsets: UnsafePointer<Int>,
        values: UnsafeMutablePointer<Double>, numbers: UnsafeMutablePointer<Double>
    ) {
        for index in 0..<calls.count {
            let range = calls[index].operands
            for operand in range {
                values[operand &- range.lowerBound] = value(row, operand)
            }
            calls[index].model.step(
                block + offsets[index], timeMicroseconds: timeMicroseconds, values: values, outputs: numbers + calls[index].place)
        }
    }

    @inline(__always)
    private func value(_ row: UnsafeRawPointer, _ index: Int) -> Double {
        let offset = operands[index].offset
        if row.loadUnaligned(fromByteOffset: operands[index].mask, as: UInt64.self) & operands[index].bit != 0 { return .nan }
        return row.loadUnaligned(fromByteOffset: offset, as: Double.self)
    }

    // MARK: Columns

    /// The results of `count` rows whose numbers lie `width` apart, a column for each call.
    func columns(_ numbers: UnsafePointer<Double>, count: Int) -> [Column] {
        calls.map { call in
            var place = call.place
            var fields: [Column] = []
            for output in call.outputs {
                if output.kind == .doublePerColumn {
                    fields.append(list(numbers + place, count: count, length: call.operands.count))
                    place += call.operands.count
                } else {
                    fields.append(single(numbers + place, count: count, output.kind))
                    place += 1
                }
            }
            if case .row = call.resultType {
                return Column(type: call.resultType, count: count, values: Buffer(byteCount: 0), children: fields)
            }
            return fields[0]
        }
    }

    private func single(_ numbers: UnsafePointer<Double>, count: Int, _ kind: ModelOutput.Kind) -> Column {
        let type: SQLType
        let values: Buffer
        switch kind {
        case .double, .doublePerColumn:
            type = .double
            values = Buffer(byteCount: count * 8)
            let target = values.base.assumingMemoryBound(to: Double.self)
            for row in 0..<count { target[row] = numbers[row &* width] }
        case .bigint:
            type = .bigint
            values = Buffer(byteCount: count * 8)
            let target = values.base.assumingMemoryBound(to: Int64.self)
            for row in 0..<count { target[row] = ModelCalls.whole(numbers[row &* width]) }
        case .boolean:
            type = .boolean
            values = Buffer(byteCount: count)
            let target = values.base.assumingMemoryBound(to: UInt8.self)
            for row in 0..<count { target[row] = numbers[row &* width] == 1 ? 1 : 0 }
        }
        let validity = ModelCalls.validity(count) { numbers[$0 &* width].isNaN }
        return Column(type: type, count: count, values: values, validity: validity)
    }

    /// An array for each row; NULL where none of its elements is known.
    private func list(_ numbers: UnsafePointer<Double>, count: Int, length: Int) -> Column {
        let lists = Buffer(byteCount: count * 8)
        let elements = Buffer(byteCount: count * length * 8)
        let target = elements.base.assumingMemoryBound(to: Double.self)
        for row in 0..<count {
            lists.base.storeBytes(
                of: ListView(offset: UInt32(truncatingIfNeeded: row &* length), length: UInt32(truncatingIfNeeded: length)),
                toByteOffset: row &* 8, as: ListView.self)
            for element in 0..<length { target[row &* length &+ element] = numbers[row &* width &+ element] }
        }
        let child = Column(
            type: .double, count: count * length, values: elements,
            validity: ModelCalls.validity(count * length) { target[$0].isNaN })
        let validity = ModelCalls.validity(count) { row in (0..<length).allSatisfy { target[row &* length &+ $0].isNaN } }
        return Column(type: .array(.double), count: count, values: lists, validity: validity, children: [child])
    }

    private static func whole(_ number: Double) -> Int64 {
        if let exact = Int64(exactly: number.rounded()) { return exact }
        return number.isNaN ? 0 : number < 0 ? .min : .max
    }

    private static func validity(_ count: Int, isNull: (Int) -> Bool) -> Buffer? {
        var bitmap: Buffer?
        for row in 0..<count where isNull(row) {
            let bits = bitmap ?? Bitmap.allValid(count)
            bitmap = bits
            bits.base.assumingMemoryBound(to: UInt64.self)[row >> 6] &= ~(1 << UInt64(row & 63))
        }
        return bitmap
    }
}
