// Printer+Alert: alerts, one clause a line.

extension Printer {
    @inline(never)
    static func alert(_ statement: AlertStatement) -> String {
        switch statement {
        case .create(let alert):
            return "CREATE \(alert.orReplace ? "OR REPLACE " : "")ALERT \(alert.ifNotExists ? "IF NOT EXISTS " : "")\(qualified(alert.name)) AS\n" + rule(alert)
        case .drop(let names, let ifExists):
            return "DROP ALERT \(ifExists ? "IF EXISTS " : "")" + names.map { qualified($0) }.joined(separator: ", ")
        case .pause(let name, let isPaused): return "\(isPaused ? "PAUSE" : "RESUME") ALERT " + qualified(name)
        case .describe(let name): return "DESCRIBE ALERT " + qualified(name)
        case .showCreate(let name): return "SHOW CREATE ALERT " + qualified(name)
        case .test(let test):
            var text = "TEST ALERT "
            switch test.subject {
            case .name(let name): text += qualified(name)
            case .rule(let alert): text += "AS\n" + rule(alert)
            }
            if let from = test.from { text += "\nFROM " + expression(from) }
            if let to = test.to { text += "\nTO " + expression(to) }
            return text
        }
    }

    private static func rule(_ alert: CreateAlert) -> String {
        var text = query(alert.query, indent: 0)
        if let condition = alert.resolve { text += "\nRESOLVE WHEN " + expression(condition) }
        if let key = alert.key { text += "\nKEY (\(names(key)))" }
        if let interval = alert.hold { text += "\nFOR " + expression(interval) }
        if let interval = alert.keepFiring { text += "\nKEEP FIRING FOR " + expression(interval) }
        if let quorum = alert.quorum { text += "\nWHEN \(expression(quorum.needed)) OF \(expression(quorum.of)) EVALUATIONS" }
        if let noData = alert.noData { text += "\nON NO DATA FOR \(expression(noData.interval)) \(noData.action.rawValue)" }
        if !alert.options.isEmpty { text += "\nWITH (\n\(options(alert.options))\n)" }
        return text
    }
}
