// AlertRows: transitions as rows of the stream `alerts`, and evaluated rows as people see them. Once per transition, not once per row.

import Columns
import Planning

struct AlertRows {
    private let plan: AlertPlan
    private let encoder: JSONLinesEncoder
    private var rows: [[Value]] = []

    init(_ plan: AlertPlan) {
        self.plan = plan
        encoder = JSONLinesEncoder(schema: Schema(zip(plan.node.names, plan.valueTypes).map { .init(name: $0, type: $1) }))
    }

    /// The select list of a row.
    func text(of batch: RowBatch, row: Int) -> AlertKey.Row {
        var result = AlertKey.Row()
        let columns = Array(batch.columns[..<plan.valueTypes.count])
        result.texts = columns.map { $0.isNull(row) ? nil : TextFormat.string($0.value(at: row), type: $0.type) }
        let buffer = ByteBuffer()
        encoder.append(RowBatch(count: batch.count, columns: columns), rows: row..<row + 1, to: buffer)
        var bytes = Array(buffer.bytes)
        if bytes.last == 0x0A { bytes.removeLast() }
        result.json = String(decoding: bytes, as: UTF8.self)
        return result
    }

    func keyTexts(of batch: RowBatch, row: Int) -> [String?] {
        plan.node.keyColumns.map { column in
            let values = batch.columns[column]
            return values.isNull(row) ? nil : TextFormat.string(values.value(at: row), type: values.type)
        }
    }

    private static func map(_ entries: [(String, String?)]) -> Value {
        .list(entries.map { .list([.string($0.0), $0.1.map { .string($0) } ?? .null]) })
    }

    /// To the millisecond that it is in.
    private static func milliseconds(_ microseconds: Int64) -> Value {
        let rest = microseconds % 1_000
        return .integer(microseconds - (rest < 0 ? rest + (microseconds > .min + 1_000 ? 1_000 : 0) : rest))
    }

    mutating func append(_ transition: AlertTransition, of key: AlertKey, row: AlertKey.Row, rule place: Int, number: Int64, clockMicroseconds: Int64) {
        let rule = plan.node.rules[place]
        let node = plan.node
        func value(_ name: String) -> String? {
            guard let index = node.names.firstIndex(of: name), row.texts.indices.contains(index) else { return nil }
            return row.texts[index]
        }
        func filled(_ labels: [AlertLabel]) -> Value { Self.map(labels.map { ($0.name, $0.text.render(value)) }) }
        let began = (plan.began[rule.id] ?? clockMicroseconds) / 1_000
        let instance = key.fingerprint
        rows.append([
            .string(rule.name),
            .string(instance),
            Self.map(Array(zip(node.keyNames, key.texts))),
            .integer(number),
            .string(transition.from.rawValue),
            .string(transition.to.rawValue),
            Self.milliseconds(transition.time),
            Self.milliseconds(clockMicroseconds),
            rule.severity.map { .string($0.render(value)) } ?? .null,
            filled(rule.labels),
            filled(rule.annotations),
            Self.map(Array(zip(node.names, row.texts))),
            .string(row.json),
            .string(transition.reason.rawValue),
            .list(rule.notify.map { .string($0) }),
            .string("\(rule.name)/\(instance)/\(rule.id).\(began)-\(number)"),
        ])
    }

    mutating func finish(into output: inout [RowBatch]) {
        guard !rows.isEmpty else { return }
        output.append(RowBatch.make(rows, types: AlertColumns.schema.types))
        rows.removeAll()
    }
}
