// StatusCommand: `millrace status`: what a data directory holds and how its queries are doing.

import Engine

struct StatusCommand {
    private let place: AccessPlace
    private let isJSON: Bool

    init(_ arguments: ParsedArguments) throws(UsageError) {
        place = try AccessPlace(arguments)
        isJSON = arguments.has("--json")
    }

    func run() throws -> ExitCode {
        let access = try place.openForReading(owner: "millrace status")
        var status = try access.status()
        if !(access is RemoteAccess), status.heldBy != nil, let server = place.server() {
            // How the queries are doing this moment only their server knows.
            do {
                let live = try server.status()
                status.queries = live.queries.map { query in
                    var query = query
                    let stored = status.queries.first { $0.name == query.name }
                    query.statement = stored?.statement ?? ""
                    query.checkpointEpoch = stored?.checkpointEpoch ?? 0
                    return query
                }
                try server.close()
            } catch {
                Console.note("warning: the server that holds the directory does not say how its queries are doing: \(error)")
            }
        }
        Console.standardOutput.write(isJSON ? StatusReport.json(status) : StatusReport.text(status))
        try access.close()
        return .success
    }
}
