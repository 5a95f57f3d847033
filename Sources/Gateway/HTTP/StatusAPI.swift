// StatusAPI: `/healthz`, `/v1/status`, `/v1/streams`, `/v1/queries` and `/v1/queries/{name}`: looks at the engine that change nothing.

import Columns
import Dataflow
import Engine
import Syntax

enum StatusAPI {
    /// Whether it can do its work: the directory is open and every shard takes rows. A query that has failed is no reason to take the server away.
    @Sendable static func health(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let status = context.engine.status()
        var reasons: [String] = []
        for stream in status.streams {
            for (index, shard) in stream.shards.enumerated() where shard.isFenced {
                reasons.append("stream \(stream.name), shard \(index) takes no rows: \(shard.fault ?? "it is fenced")")
            }
        }
        context.respond(reasons.isEmpty ? 200 : 503) {
            $0.member("status", reasons.isEmpty ? "ok" : "failing")
            if !reasons.isEmpty { $0.array("reasons") { for reason in reasons { $0.value(reason) } } }
        }
    }

    @Sendable static func status(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let status = context.engine.status()
        context.respond {
            appendMoment(context, to: &$0)
            StatusDocument.append(status, to: &$0)
        }
    }

    @Sendable static func queries(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let queries = context.engine.queryProgress()
        context.respond {
            appendMoment(context, to: &$0)
            $0.array("queries") { for query in queries { $0.object { StatusDocument.append(query, to: &$0) } } }
        }
    }

    @Sendable static func query(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let name = context.name ?? ""
        let queries = context.engine.queryProgress()
        guard let query = queries.last(where: { $0.name == name }) ?? queries.last(where: { $0.name.lowercased() == name.lowercased() }) else {
            let near = NearestName.find(name, among: queries.map(\.name))
            throw APIError(404, SQLError.undefinedObject, "there is no query \"\(name)\"", hint: near.map { "did you mean \($0)?" } ?? "GET /v1/queries lists them")
        }
        context.respond {
            appendMoment(context, to: &$0)
            StatusDocument.append(query, to: &$0)
            if let figures = query.figures { $0.object("graph") { StatusDocument.appendGraph(figures, to: &$0) } }
        }
    }

    @Sendable static func streams(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let status = context.engine.status()
        let byName = Dictionary(status.streams.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let relations = context.engine.relationSummaries()
        context.respond {
            appendMoment(context, to: &$0)
            $0.array("streams") {
                for relation in relations {
                    $0.object {
                        if let stream = byName[relation.name] {
                            StatusDocument.append(stream, to: &$0)
                        } else {
                            $0.member("name", relation.name)
                            $0.member("connector", relation.connector)
                        }
                        $0.member("kind", relation.kind.lowercased())
                        $0.member("log", relation.isLog)
                        $0.member("changelog", relation.isChangelog)
                        $0.member("event_time", relation.eventTimeColumn)
                        $0.array("columns") {
                            for column in relation.columns {
                                $0.object {
                                    $0.member("name", column.name)
                                    $0.member("type", column.type)
                                    $0.member("numeric", column.isNumeric)
                                    $0.member("time", column.isTime)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// When the figures were read, so that rates can be had from two readings.
    private static func appendMoment(_ context: HTTPContext, to json: inout JSONWriter) {
        let now = context.engine.nowMicroseconds
        json.member("at", StatusDocument.instant(now))
        json.member("at_us", now)
    }
}
