// SessionSettings: what SET changes, with the range each takes.

import Planning
import Syntax

package struct SessionSettings: Sendable {
    package var batchRows: Int
    package var epochRowsMax: Int
    package var workerCount: Int
    package var partitionCount = 4
    package var checkpointIntervalMicroseconds: Int64
    /// The rules that may run; `SET optimizer = off` leaves none, `SET optimizer_off = '..'` names some that do not run, `optimizer_on` some that
    /// run besides the standard ones.
    package var optimizerRules = OptimizerRule.standard
    package var allowedLatenessMicroseconds: Int64 = 0
    /// 0: for ever.
    package var stateTTLMicroseconds: Int64 = 0

    init(_ options: EngineOptions) {
        batchRows = options.batchRows
        epochRowsMax = options.epochRowsMax
        workerCount = options.workerCount
        checkpointIntervalMicroseconds = options.checkpointIntervalMicroseconds
    }

    /// Those that a saved query keeps.
    var querySettings: QuerySettings {
        get {
            var kept = QuerySettings()
            kept.partitionCount = partitionCount
            kept.optimizerRules = optimizerRules
            kept.allowedLatenessMicroseconds = allowedLatenessMicroseconds
            kept.stateTTLMicroseconds = stateTTLMicroseconds
            return kept
        }
        set {
            partitionCount = newValue.partitionCount
            optimizerRules = newValue.optimizerRules
            allowedLatenessMicroseconds = newValue.allowedLatenessMicroseconds
            stateTTLMicroseconds = newValue.stateTTLMicroseconds
        }
    }

    package static let names = [
        "allowed_lateness", "batch_rows", "checkpoint_interval", "epoch_rows", "optimizer", "optimizer_off", "optimizer_on", "partitions", "state_ttl",
        "workers",
    ]

    /// The value of a setting as SET would take it; nil for an unknown name.
    package func text(of name: String) -> String? {
        switch name.lowercased() {
        case "batch_rows": String(batchRows)
        case "epoch_rows": String(epochRowsMax)
        case "workers": String(workerCount)
        case "partitions": String(partitionCount)
        case "checkpoint_interval": "INTERVAL '\(Double(checkpointIntervalMicroseconds) / 1e6)' SECOND"
        case "optimizer": optimizerRules.isEmpty ? "off" : "on"
        case "optimizer_off": Self.list(OptimizerRule.standard.subtracting(optimizerRules))
        case "optimizer_on": Self.list(optimizerRules.subtracting(OptimizerRule.standard))
        case "allowed_lateness": "INTERVAL '\(Double(allowedLatenessMicroseconds) / 1e6)' SECOND"
        case "state_ttl": "INTERVAL '\(Double(stateTTLMicroseconds) / 1e6)' SECOND"
        default: nil
        }
    }

    mutating func set(_ name: Identifier, to value: Expression) throws(SQLError) {
        switch name.name.lowercased() {
        case "batch_rows": batchRows = try SessionSettings.count(value, in: 1...65_536)
        case "epoch_rows": epochRowsMax = try SessionSettings.count(value, in: 1...(1 << 26))
        case "workers": workerCount = try SessionSettings.count(value, in: 1...256)
        case "partitions": partitionCount = try SessionSettings.count(value, in: 1...256)
        case "checkpoint_interval": checkpointIntervalMicroseconds = try SessionSettings.microseconds(value)
        case "allowed_lateness": allowedLatenessMicroseconds = try SessionSettings.microseconds(value)
        case "state_ttl", "table.exec.state.ttl": stateTTLMicroseconds = try SessionSettings.microseconds(value)
        case "optimizer": optimizerRules = try SessionSettings.switchValue(value) ? OptimizerRule.standard : []
        case "optimizer_off":
            let more = optimizerRules.subtracting(OptimizerRule.standard)
            optimizerRules = OptimizerRule.standard.union(more).subtracting(try SessionSettings.rules(in: value))
        case "optimizer_on":
            optimizerRules = optimizerRules.intersection(OptimizerRule.standard).union(try SessionSettings.rules(in: value))
        case "table.optimizer.distinct-agg.split.enabled":
            if try SessionSettings.switchValue(value) { optimizerRules.insert(.splitDistinct) } else { optimizerRules.remove(.splitDistinct) }
        default: throw SessionSettings.unknown(name)
        }
    }

    mutating func reset(_ name: Identifier, to defaults: SessionSettings) throws(SQLError) {
        switch name.name.lowercased() {
        case "batch_rows": batchRows = defaults.batchRows
        case "epoch_rows": epochRowsMax = defaults.epochRowsMax
        case "workers": workerCount = defaults.workerCount
        case "partitions": partitionCount = defaults.partitionCount
        case "checkpoint_interval": checkpointIntervalMicroseconds = defaults.checkpointIntervalMicroseconds
        case "allowed_lateness": allowedLatenessMicroseconds = defaults.allowedLatenessMicroseconds
        case "state_ttl", "table.exec.state.ttl": stateTTLMicroseconds = defaults.stateTTLMicroseconds
        case "optimizer", "optimizer_off", "optimizer_on", "table.optimizer.distinct-agg.split.enabled": optimizerRules = defaults.optimizerRules
        case "all": self = defaults
        default: throw SessionSettings.unknown(name)
        }
    }

    /// Settings of Flink that scripts begin with and that have no counterpart.
    static func isWithoutMeaning(_ name: String) -> Bool {
        let name = name.lowercased()
        if name == "table.exec.state.ttl" { return false }
        let families = [
            "table.", "execution.", "pipeline.", "parallelism.", "sql-client.", "state.", "restart-strategy", "taskmanager.", "jobmanager.", "rest.",
            "metrics.", "env.", "classloader.", "python.", "heartbeat.", "akka.", "cluster.", "yarn.", "kubernetes.",
        ]
        return families.contains(where: name.hasPrefix)
    }

    static func unknown(_ name: Identifier) -> SQLError {
        let nearest = NearestName.find(name.name, among: names)
        return SQLError(
            "unrecognized setting \"\(name.name)\"", at: name.span,
            hint: nearest.map { "did you mean \($0)?" } ?? "settings are \(names.joined(separator: ", "))",
            code: SQLError.undefinedObject)
    }

    private static func count(_ value: Expression, in range: ClosedRange<Int>) throws(SQLError) -> Int {
        if case .literal(.integer(let digits)) = value.kind, let number = Int(digits), range.contains(number) { return number }
        throw SQLError(
            "expected a whole number from \(range.lowerBound) to \(range.upperBound)", at: value.span,
            code: SQLError.invalidParameter)
    }

    private static func microseconds(_ value: Expression) throws(SQLError) -> Int64 {
        if case .literal(let written) = value.kind {
            var literal = written
            // '1 h' as people write it in options.
            if case .string(let text) = written { literal = .interval(text: text, from: nil, to: nil) }
            if let time = ExpressionTyping.constantMicroseconds(try ExpressionTyping.literal(literal, span: value.span)), time >= 0 {
                return time
            }
        }
        throw SQLError(
            "expected an interval that is not negative", at: value.span, hint: "for example INTERVAL '10' SECOND",
            code: SQLError.invalidParameter)
    }

    private static func list(_ rules: Set<OptimizerRule>) -> String {
        "'" + OptimizerRule.allCases.filter(rules.contains).map(\.rawValue).joined(separator: ", ") + "'"
    }

    /// The rules named in a list such as 'filter push-down, shared plans'.
    private static func rules(in value: Expression) throws(SQLError) -> Set<OptimizerRule> {
        guard case .literal(.string(let text)) = value.kind else {
            throw SQLError("expected a text with names of rules", at: value.span, code: SQLError.invalidParameter)
        }
        var rules: Set<OptimizerRule> = []
        for part in text.split(separator: ",") {
            let words = part.split(separator: " ").joined(separator: " ").lowercased()
            if words.isEmpty { continue }
            guard let rule = OptimizerRule(rawValue: words) else {
                let names = OptimizerRule.allCases.map(\.rawValue)
                throw SQLError(
                    "the optimiser has no rule \"\(words)\"", at: value.span,
                    hint: NearestName.find(words, among: names).map { "did you mean \"\($0)\"?" } ?? "rules are " + names.joined(separator: ", "),
                    code: SQLError.invalidParameter)
            }
            rules.insert(rule)
        }
        return rules
    }

    private static func switchValue(_ value: Expression) throws(SQLError) -> Bool {
        var word = ""
        switch value.kind {
        case .literal(.boolean(let isOn)): return isOn
        case .literal(.string(let text)): word = text
        case .column(let name): word = name.last.name
        default: break
        }
        switch word.lowercased() {
        case "on", "true", "yes": return true
        case "off", "false", "no": return false
        default: throw SQLError("expected on or off", at: value.span, code: SQLError.invalidParameter)
        }
    }
}
