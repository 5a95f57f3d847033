// NaiveEvaluator: the meaning of a logical plan, computed from scratch over rows in memory, as slowly and plainly as possible: nested
// loops, sorted arrays, no state. It shares the binder with the engine, and the kernels of scalar expressions; nothing else.
//
// With event time the result is the one at a moment of event time: a window counts once the watermark has reached its end, a row without
// partner once the watermark has passed all partners it could have, a row with a version once both watermarks have passed it.
//
// Rows come in arrival order; ties of ROW_NUMBER are broken by it, which is why random queries order by enough columns.

import Columns
import Dataflow
import Planning
import Platform

/// What the evaluator, or a run beside it, cannot say anything about.
package struct Unsupported: Error {
    package var what: String

    package init(what: String) { self.what = what }
}

package typealias Row = [Value]

package struct NaiveEvaluator {
    /// The live rows of each relation, physical columns.
    var tables: [String: [Row]]
    /// How far event time has come; nil: to the end.
    package var progress: Progress?
    /// Cross products larger than this are not worth the time.
    static let pairsMax = 120_000

    package init(tables: [String: [Row]], progress: Progress? = nil) {
        self.tables = tables
        self.progress = progress
    }

    package struct Progress {
        /// Of each relation: no row before it will come.
        package var watermarks: [String: Int64]
        /// Rows without partner come out in portions: with all of the portion (true), or when the last of it is due (false).
        package var countsUnmatchedEarly: Bool

        package init(watermarks: [String: Int64], countsUnmatchedEarly: Bool) {
            self.watermarks = watermarks
            self.countsUnmatchedEarly = countsUnmatchedEarly
        }
    }

    /// Of what the plan gives.
    private func watermark(_ plan: LogicalPlan) -> Int64 {
        guard let progress else { return .max }
        if case .scan(let scan) = plan { return progress.watermarks[scan.relation.name] ?? .min }
        return plan.inputs.map { watermark($0) }.min() ?? .max
    }

    package func rows(_ plan: LogicalPlan) throws -> [Row] {
        switch plan {
        case .scan(let scan):
            guard let rows = tables[scan.relation.name] else { throw Unsupported(what: "table \(scan.relation.name)") }
            return rows.map { row in scan.columns.map { row[$0.column] } }
        case .values(let rows, _):
            return try rows.map { row in try row.map { try evaluate($0, over: [[]], types: [])[0] } }
        case .watermark(let input, _): return try rows(input)
        case .filter(let input, let predicate):
            let source = try rows(input)
            let keeps = try evaluate(predicate, over: source, types: types(input))
            return zip(source, keeps).filter { $1 == .boolean(true) }.map(\.0)
        case .project(let input, let columns):
            let source = try rows(input)
            let results = try columns.map { try evaluate($0.expression, over: source, types: types(input)) }
            return source.indices.map { row in results.map { $0[row] } }
        case .window(let input, let window): return try assign(rows(input), window, fields: input.fields)
        case .aggregate(let input, let aggregate): return try self.aggregate(rows(input), aggregate, input.fields, watermark: watermark(input))
        case .union(let inputs): return try inputs.flatMap { try rows($0) }
        case .sort(let input, let sort):
            let sorted = order(try rows(input), sort.keys)
            return Array(sorted.dropFirst(sort.offset).prefix(sort.limit ?? .max))
        case .limit(let input, let count, let offset): return Array(try rows(input).dropFirst(offset).prefix(count ?? .max))
        case .join(let left, let right, let join): return try self.join(left, right, join)
        case .over(let input, let over): return try self.over(rows(input), over, types(input))
        case .expand(let input, let lists, _):
            let source = try rows(input)
            let results = try lists.map { list in try list.map { try evaluate($0, over: source, types: types(input)) } }
            return source.indices.flatMap { row in results.map { list in list.map { $0[row] } } }
        case .replicate(let input, let column):
            return try rows(input).flatMap { row -> [Row] in
                guard case .integer(let times) = row[column], times > 0 else { return [] }
                return Array(repeating: row, count: Int(times))
            }
        case .match, .unnest: throw Unsupported(what: "\(plan)")
        }
    }

    private func types(_ plan: LogicalPlan) -> [SQLType] { plan.fields.map(\.type) }

    func evaluate(_ expression: BoundExpression, over rows: [Row], types: [SQLType]) throws -> [Value] {
        if rows.isEmpty { return [] }
        if case .column(let ordinal) = expression.kind { return rows.map { $0[ordinal] } }
        let context = EvaluationContext(clockMicroseconds: 0)
        let column = try CompiledExpression.compile(expression).evaluate(RowBatch.make(rows, types: types), context)
        if let failure = context.takeFailures().first { throw Unsupported(what: failure.message) }
        return rows.indices.map { column.value(at: $0) }
    }

    // MARK: Order

    /// NULL handling is the caller's.
    static func compare(_ a: Value, _ b: Value) -> Int {
        func sign<Operand: Comparable>(_ a: Operand, _ b: Operand) -> Int { a < b ? -1 : (a > b ? 1 : 0) }
        switch (a, b) {
        case (.integer(let a), .integer(let b)): return sign(a, b)
        case (.decimal(let a), .decimal(let b)): return sign(a, b)
        case (.double(let a), .double(let b)): return sign(a, b)
        case (.boolean(let a), .boolean(let b)): return sign(a ? 1 : 0, b ? 1 : 0)
        case (.string(let a), .string(let b)):
            return a.utf8.elementsEqual(b.utf8) ? 0 : (a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1)
        default: return 0
        }
    }

    static func compare(_ a: Row, _ b: Row, _ keys: [SortNode.Key]) -> Int {
        for key in keys {
            let (left, right) = (a[key.column], b[key.column])
            if left.isNull || right.isNull {
                if left.isNull && right.isNull { continue }
                return left.isNull == key.nullsFirst ? -1 : 1
            }
            let order = compare(left, right)
            if order != 0 { return key.isDescending ? -order : order }
        }
        return 0
    }

    private func order(_ rows: [Row], _ keys: [SortNode.Key]) -> [Row] {
        rows.enumerated().sorted { a, b in
            let order = Self.compare(a.element, b.element, keys)
            return order != 0 ? order < 0 : a.offset < b.offset
        }.map(\.element)
    }

    // MARK: Windows

    static func windows(_ shape: WindowShape, _ time: Int64) -> [(start: Int64, end: Int64)] {
        func floor(_ value: Int64, _ step: Int64) -> Int64 { value >= 0 ? value / step * step : -((-value + step - 1) / step * step) }
        switch shape {
        case .tumble(let size, let offset):
            let start = floor(time - offset, size) + offset
            return [(start, start + size)]
        case .hop(let size, let slide, let offset):
            var result: [(Int64, Int64)] = []
            var start = floor(time - offset, slide) + offset
            while start + size > time {
                result.append((start, start + size))
                start -= slide
            }
            return result.reversed().map { (start: $0.0, end: $0.1) }
        case .cumulate(let size, let step, let offset):
            let start = floor(time - offset, size) + offset
            return stride(from: start + step, through: start + size, by: Int(step)).filter { $0 > time }.map { (start, $0) }
        case .session: return []
        }
    }

    private func time(_ value: Value) throws -> Int64 {
        guard case .integer(let time) = value else { throw Unsupported(what: "NULL time") }
        return time
    }

    private func assign(_ rows: [Row], _ window: LogicalWindow, fields: [SQLType.Field]) throws -> [Row] {
        if case .session = window.shape { throw Unsupported(what: "session rows") }
        let unit = LogicalWindow.unitMicroseconds(fields[window.timeColumn].type)
        return try rows.flatMap { row in
            try Self.windows(window.shape, try time(row[window.timeColumn])).map {
                row + [.integer($0.start), .integer($0.end), .integer($0.end - unit)]
            }
        }
    }

    // MARK: Aggregation

    private func aggregate(
        _ rows: [Row], _ aggregate: LogicalAggregate, _ fields: [SQLType.Field], watermark: Int64
    ) throws -> [Row] {
        let types = fields.map(\.type)
        let keys = try aggregate.keys.map { try evaluate($0.expression, over: rows, types: types) }
        var groups: [(key: Row, rows: [Int])] = []
        var places: [Row: Int] = [:]
        func add(_ key: Row, _ row: Int) {
            if let place = places[key] {
                groups[place].rows.append(row)
            } else {
                places[key] = groups.count
                groups.append((key, [row]))
            }
        }
        if let window = aggregate.window {
            let unit = LogicalWindow.unitMicroseconds(types[window.timeColumn])
            if case .session(let gap) = window.shape {
                var byKey: [Row: [(time: Int64, row: Int)]] = [:]
                for row in rows.indices { byKey[keys.map { $0[row] }, default: []].append((try time(rows[row][window.timeColumn]), row)) }
                for (key, members) in byKey {
                    var session: [(time: Int64, row: Int)] = []
                    func close() {
                        guard let first = session.first, let last = session.last else { return }
                        let end = last.time + gap
                        guard end <= watermark else { return }
                        for member in session { add(key + [.integer(first.time), .integer(end), .integer(end - unit)], member.row) }
                    }
                    for member in members.sorted(by: { $0.time < $1.time }) {
                        if let last = session.last, member.time - last.time > gap {
                            close()
                            session = []
                        }
                        session.append(member)
                    }
                    close()
                }
            } else {
                for row in rows.indices {
                    for found in Self.windows(window.shape, try time(rows[row][window.timeColumn])) where found.end <= watermark {
                        add(keys.map { $0[row] } + [.integer(found.start), .integer(found.end), .integer(found.end - unit)], row)
                    }
                }
            }
        } else {
            for row in rows.indices { add(keys.map { $0[row] }, row) }
            if aggregate.keys.isEmpty && rows.isEmpty { groups = [([], [])] }
        }
        let arguments = try aggregate.calls.map { call in
            if call.arguments.count > 1 { throw Unsupported(what: call.text) }
            return try call.argument.map { try evaluate($0, over: rows, types: types) }
        }
        let filters = try aggregate.calls.map { call in try call.filter.map { try evaluate($0, over: rows, types: types) } }
        return try groups.map { group in
            try group.key
                + aggregate.calls.indices.map { index in
                    let chosen = group.rows.filter { filters[index]?[$0] ?? .boolean(true) == .boolean(true) }
                    var values = chosen.map { arguments[index]?[$0] ?? .boolean(true) }.filter { !$0.isNull }
                    if aggregate.calls[index].isDistinct { values = Set(values).sorted { Self.compare($0, $1) < 0 } }
                    return try Self.aggregate(aggregate.calls[index].function, values, aggregate.calls[index].resultType)
                }
        }
    }

    /// Over values that are not NULL.
    static func aggregate(_ function: AggregateFunction, _ values: [Value], _ type: SQLType) throws -> Value {
        switch function {
        case .countRows, .count: return .integer(Int64(values.count))
        case .sum:
            if values.isEmpty { return .null }
            var total = Int128(0)
            for value in values {
                switch value {
                case .integer(let number): total += Int128(number)
                case .decimal(let number): total += number
                default: throw Unsupported(what: "sum of \(value)")
                }
            }
            return type.isDecimal ? .decimal(total) : .integer(Int64(total))
        case .min: return values.min { compare($0, $1) < 0 } ?? .null
        case .max: return values.max { compare($0, $1) < 0 } ?? .null
        case .boolAnd: return values.isEmpty ? .null : .boolean(values.allSatisfy { $0 == .boolean(true) })
        case .boolOr: return values.isEmpty ? .null : .boolean(values.contains(.boolean(true)))
        default: throw Unsupported(what: function.rawValue)
        }
    }

    // MARK: Joins

    private func join(_ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin) throws -> [Row] {
        let (lefts, rights) = (try rows(left), try rows(right))
        guard lefts.count * rights.count <= Self.pairsMax else { throw Unsupported(what: "too many pairs") }
        let pairTypes = types(left) + types(right)
        var matches = [[Int]](repeating: [], count: lefts.count)
        var isUndecided = [Bool](repeating: false, count: lefts.count)
        /// By side: whether a row without partner counts already.
        var isOut = [lefts, rights].map { [Bool](repeating: true, count: $0.count) }
        if let condition = join.condition {
            let pairs = lefts.flatMap { left in rights.map { left + $0 } }
            let outcomes = try evaluate(condition, over: pairs, types: pairTypes)
            for (index, outcome) in outcomes.enumerated() {
                if outcome == .boolean(true) { matches[index / rights.count].append(index % rights.count) }
                if outcome == .null { isUndecided[index / rights.count] = true }
            }
        } else {
            for index in lefts.indices { matches[index] = Array(rights.indices) }
        }
        switch join.version {
        case .eventTime(let leftTime, let rightTime, let isStrict)?:
            let reached = min(watermark(left), watermark(right))
            isOut[0] = lefts.map { row in
                if case .integer(let now) = row[leftTime] { now < reached || reached == .max } else { true }
            }
            for index in lefts.indices {
                guard case .integer(let now) = lefts[index][leftTime] else {
                    matches[index] = []
                    continue
                }
                var newest: (time: Int64, row: Int)?
                for row in matches[index] {
                    guard case .integer(let time) = rights[row][rightTime], isStrict ? time < now : time <= now else { continue }
                    if newest == nil || time >= newest?.time ?? .min { newest = (time, row) }
                }
                matches[index] = newest.map { [$0.row] } ?? []
            }
        case .processingTime?: throw Unsupported(what: "processing time")
        case nil: break
        }
        try noteUndecided(left, right, join, lefts, rights, &isOut)
        let noLeft = [Value](repeating: .null, count: left.fields.count)
        let noRight = [Value](repeating: .null, count: right.fields.count)
        var result: [Row] = []
        switch join.kind {
        case .semi: return lefts.indices.filter { !matches[$0].isEmpty }.map { lefts[$0] }
        case .anti: return lefts.indices.filter { matches[$0].isEmpty }.map { lefts[$0] }
        case .antiNullAware: return lefts.indices.filter { matches[$0].isEmpty && !isUndecided[$0] }.map { lefts[$0] }
        case .inner, .left, .right, .full:
            for (index, row) in lefts.enumerated() {
                if join.version != nil && !isOut[0][index] { continue }
                result += matches[index].map { row + rights[$0] }
                if matches[index].isEmpty, isOut[0][index], join.kind == .left || join.kind == .full { result.append(row + noRight) }
            }
            if join.kind == .right || join.kind == .full {
                let matched = Set(matches.joined())
                result += rights.indices.filter { !matched.contains($0) && isOut[1][$0] }.map { noLeft + rights[$0] }
            }
            return result
        }
    }

    /// A row may still find a partner while the other side's watermark has not passed the interval, or the end of the window; one whose key is NULL
    /// finds none.
    private func noteUndecided(
        _ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin, _ lefts: [Row], _ rights: [Row], _ isOut: inout [[Bool]]
    ) throws {
        guard let progress else { return }
        let analysis = JoinAnalysis(left, right, join, mode: .continuous)
        var unmatchable = isOut.map { $0.map { _ in false } }
        defer {
            for (side, rows) in [lefts, rights].enumerated() {
                for index in rows.indices where unmatchable[side][index] { isOut[side][index] = true }
            }
        }
        for key in analysis.keys where !key.isNullSafe {
            for (index, value) in try evaluate(key.left, over: lefts, types: types(left)).enumerated() where value.isNull { unmatchable[0][index] = true }
            for (index, value) in try evaluate(key.right, over: rights, types: types(right)).enumerated() where value.isNull { unmatchable[1][index] = true }
        }
        switch analysis.time {
        case .interval(let leftTime, let rightTime, let lower, let upper):
            // lower <= left - right <= upper.
            let portion = progress.countsUnmatchedEarly ? 0 : max((upper - lower) / 64, 100_000)
            func isDecided(_ value: Value, _ reach: Int64, _ watermark: Int64) -> Bool {
                guard case .integer(let time) = value, watermark < .max else { return true }
                return watermark > time + reach + portion
            }
            let (leftMark, rightMark) = (watermark(left), watermark(right))
            for index in lefts.indices { isOut[0][index] = isDecided(lefts[index][leftTime], -lower, rightMark) }
            for index in rights.indices { isOut[1][index] = isDecided(rights[index][rightTime], upper, leftMark) }
        case .window(let leftEnd, let rightEnd):
            let reached = min(watermark(left), watermark(right))
            for (side, (rows, end)) in [(lefts, leftEnd), (rights, rightEnd)].enumerated() {
                guard case .column(let column) = end.kind else { continue }
                for index in rows.indices {
                    if case .integer(let end) = rows[index][column] { isOut[side][index] = end <= reached }
                }
            }
        case .none: break
        }
    }

    // MARK: Window functions

    private func over(_ rows: [Row], _ over: LogicalOver, _ types: [SQLType]) throws -> [Row] {
        let partition = try over.partition.map { try evaluate($0, over: rows, types: types) }
        let order = try over.order.map { try evaluate($0.expression, over: rows, types: types) }
        let arguments = try over.calls.map { call in try call.arguments.map { try evaluate($0, over: rows, types: types) } }
        let filters = try over.calls.map { call in try call.filter.map { try evaluate($0, over: rows, types: types) } }
        let keys = over.order.enumerated().map {
            SortNode.Key(column: $0, isDescending: $1.isDescending, nullsFirst: $1.nullsFirst)
        }
        var partitions: [Row: [Int]] = [:]
        for row in rows.indices { partitions[partition.map { $0[row] }, default: []].append(row) }
        var results = rows
        for members in partitions.values {
            let sorted = members.sorted { a, b in
                let outcome = Self.compare(order.map { $0[a] }, order.map { $0[b] }, keys)
                return outcome != 0 ? outcome < 0 : a < b
            }
            func isPeer(_ a: Int, _ b: Int) -> Bool { Self.compare(order.map { $0[sorted[a]] }, order.map { $0[sorted[b]] }, keys) == 0 }
            for place in sorted.indices {
                for (index, call) in over.calls.enumerated() {
                    let value: Value
                    switch call.function {
                    case .rowNumber: value = .integer(Int64(place + 1))
                    case .rank: value = .integer(Int64((sorted.indices.first { isPeer($0, place) } ?? place) + 1))
                    case .denseRank:
                        value = .integer(Int64((1...max(place, 1)).filter { $0 <= place && !isPeer($0 - 1, $0) }.count + 1))
                    case .lag, .lead:
                        guard arguments[index].count == 1 else { throw Unsupported(what: "lag") }
                        let other = call.function == .lag ? place - 1 : place + 1
                        value = sorted.indices.contains(other) ? arguments[index][0][sorted[other]] : .null
                    case .aggregate(let function):
                        let frame = try self.frame(call.frame, place, sorted.count, isPeer)
                        let chosen = sorted[frame].filter { filters[index]?[$0] ?? .boolean(true) == .boolean(true) }
                        let values = chosen.map { arguments[index].first?[$0] ?? .boolean(true) }.filter { !$0.isNull }
                        value = try Self.aggregate(function, values, call.resultType)
                    case .firstValue, .lastValue:
                        let frame = try self.frame(call.frame, place, sorted.count, isPeer)
                        let row = call.function == .firstValue ? sorted[frame].first : sorted[frame].last
                        value = row.map { arguments[index][0][$0] } ?? .null
                    default: throw Unsupported(what: call.text)
                    }
                    results[sorted[place]].append(value)
                }
            }
        }
        return results
    }

    private func frame(_ frame: OverFrame, _ place: Int, _ count: Int, _ isPeer: (Int, Int) -> Bool) throws -> Range<Int> {
        func end(_ bound: OverFrame.Bound, isStart: Bool) throws -> Int {
            switch bound {
            case .unboundedPreceding: return 0
            case .unboundedFollowing: return count - 1
            case .currentRow:
                if frame.unit == .rows { return place }
                let peers = (0..<count).filter { isPeer($0, place) }
                return isStart ? peers.first ?? place : peers.last ?? place
            case .preceding(let distance):
                guard frame.unit == .rows else { throw Unsupported(what: "frame") }
                return place - Int(distance)
            case .following(let distance):
                guard frame.unit == .rows else { throw Unsupported(what: "frame") }
                return place + Int(distance)
            }
        }
        let first = max(try end(frame.start, isStart: true), 0)
        let last = min(try end(frame.end, isStart: false), count - 1)
        return first <= last ? first..<last + 1 : 0..<0
    }
}
