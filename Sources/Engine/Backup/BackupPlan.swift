// BackupPlan: what of a data directory is copied, and in which order the moment of each file is fixed.
//
// A backup is taken while the engine runs, from outside and without stopping it. Files only grow (segments, epoch logs) or are replaced and
// removed as a whole (checkpoints, the catalog), so a file opened at some moment, with its length then, stays as it was however long the copying
// takes. What remains is to fix the moments so that every effect in the backup has its cause there too:
//
//     1. the catalog                        names what there is
//     2. each query's checkpoints           never ahead of the output that is copied after them
//     3. the streams that a query writes    never ahead of ...
//     4. ... its epoch log                  never ahead of ...
//     5. ... the streams that it reads
//
// With queries that read each other's output, 3 to 5 go from the last of a chain to the first. A backup then holds for each query: output up to some
// epoch, the records of at least these epochs, the rows of at least these records. That is a state the engine could have been in when power
// was cut, and opening a restored directory is the recovery that every start is: logged epochs without output run again, and it goes on.
// Queries that read what they write, in a circle, have no such order and are refused.

import Planning
import Syntax

struct BackupPlan {
    enum Step: Hashable {
        case stream(UInt64)
        case epochLog(UInt64)
    }

    /// The saved queries with their folders below `queries`, in the order of the catalog.
    private(set) var queries: [UInt64: String] = [:]
    private(set) var steps: [Step] = []

    private struct Links {
        var name: String
        var reads: Set<UInt64> = []
        var writes: Set<UInt64> = []
    }

    init(_ engine: Engine) throws {
        let objects = engine.catalogObjects()
        var links: [UInt64: Links] = [:]
        for object in objects {
            guard case .query(let create) = object.definition else { continue }
            queries[object.id] = CatalogObject.queryFolder(object.id, generation: object.generation)
            links[object.id] = try BackupPlan.links(of: object, create, engine)
        }
        for (group, members) in engine.alertGroups() {
            queries[group] = CatalogObject.queryFolder(group, generation: 0)
            links[group] = try BackupPlan.links(ofAlerts: members, engine)
        }
        var streams = objects.filter { $0.relation != nil && engine.stream(of: $0) != nil }.map(\.id)
        var open = queries.keys.sorted()
        // A stream may be fixed when every query that reads it has its epoch log, an epoch log when the streams that the query writes are.
        while !open.isEmpty {
            let ready = streams.filter { stream in !open.contains { links[$0]?.reads.contains(stream) == true } }
            steps += ready.map(Step.stream)
            streams.removeAll(where: ready.contains)
            guard let next = open.first(where: { links[$0]?.writes.isDisjoint(with: streams) != false }) else {
                let names = open.compactMap { links[$0]?.name }.joined(separator: ", ")
                throw EngineError("cannot back up while running: the queries \(names) read what they write, in a circle; stop the engine and copy its directory")
            }
            steps.append(.epochLog(next))
            open.removeAll { $0 == next }
        }
        steps += streams.map(Step.stream)
    }

    private static func links(ofAlerts members: [CatalogObject], _ engine: Engine) throws -> Links {
        let planned = try engine.planAlerts(members)
        var links = Links(name: members.first?.name ?? "")
        for node in planned.query.plan.scanNodes {
            if let relation = engine.object(named: node.relation.name) { links.reads.insert(relation.id) }
        }
        for name in [AlertStream.name, engine.errorStreamName(for: links.name)] {
            if let relation = engine.object(named: name) { links.writes.insert(relation.id) }
        }
        return links
    }

    private static func links(of object: CatalogObject, _ create: CreateQuery, _ engine: Engine) throws -> Links {
        let session = engine.makeSession()
        session.settings.querySettings = object.settings
        let planned = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(create.insert, catalog: catalog, options: session.plannerOptions)
        }
        var links = Links(name: object.name)
        for node in planned.query.plan.scanNodes {
            if let relation = engine.object(named: node.relation.name) { links.reads.insert(relation.id) }
        }
        for name in [planned.target.name, engine.errorStreamName(for: object.name)] {
            if let relation = engine.object(named: name) { links.writes.insert(relation.id) }
        }
        return links
    }
}
