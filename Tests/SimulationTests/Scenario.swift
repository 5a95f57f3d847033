// Scenario: the streams and saved queries of one simulated world, drawn from its seed, and what each output must hold.
//
// An output's content is computed from the rows of the input streams by the naive evaluator, which shares only the binder with the engine.
// Two kinds of query that it cannot know are computed here: one that drops late rows, and one that reads the clock.

import Columns
import Dataflow
import OracleSupport
import Planning
import Platform
import Syntax

/// The definitions alone, before any engine.
struct ScenarioCatalog: Catalog {
    private(set) var relations: [String: RelationDefinition] = [:]

    func entry(named name: String) -> CatalogEntry? { relations[name.lowercased()].map { .relation($0) } }
    var entryNames: [String] { relations.keys.sorted() }

    mutating func define(_ sql: String, isChangelog: Bool = false) throws {
        guard case .createRelation(let create)? = try Parser.parseScript(sql).first?.statement.kind else { return }
        var relation = try Planner.define(create, catalog: self)
        if isChangelog { relation.isChangelog = true }
        relations[relation.name] = relation
    }
}

struct SimulatedQuery {
    enum Meaning {
        /// By the naive evaluator; a timed one is complete only when the watermark has passed.
        case naive(LogicalPlan, isTimed: Bool)
        /// Counts of 5-second windows over a stream with late rows.
        case withoutLateRows
        /// id, the epoch's clock, and the second of it.
        case clock
    }

    let name: String
    let target: String
    let sql: String
    let meaning: Meaning
    let isChangelog: Bool
    let reads: Set<String>

    var isTimed: Bool {
        switch meaning {
        case .naive(_, let isTimed): isTimed
        case .withoutLateRows: true
        case .clock: false
        }
    }
}

struct Scenario {
    private(set) var streams: [SimulatedStream] = []
    /// Output streams by name, in the order of creation, with their definition.
    private(set) var outputs: [(name: String, sql: String)] = []
    private(set) var queries: [SimulatedQuery] = []
    private(set) var catalog = ScenarioCatalog()

    init(_ random: inout SeededRandom) throws {
        let all = [
            SimulatedStream("t", .plain, &random), SimulatedStream("u", .plain, &random), SimulatedStream("c", .changelog, &random),
            SimulatedStream("e", .timed, &random), SimulatedStream("f", .timed, &random), SimulatedStream("l", .late, &random),
        ]
        for stream in all { try catalog.define(stream.definition) }
        let count = 2 + random.below(3)
        while queries.count < count { try addQuery(&random) }
        let read = queries.reduce(into: Set<String>()) { $0.formUnion($1.reads) }
        streams = all.filter { read.contains($0.name) }
    }

    private mutating func addQuery(_ random: inout SeededRandom) throws {
        let number = queries.count
        switch random.below(13) {
        case 0, 9: try add(
            "SELECT window_start, k, count(*) AS n, sum(v) AS total FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND)) "
                + "GROUP BY window_start, window_end, k", .withoutLateRows, &random)
        case 1: try add(
            "SELECT id, CURRENT_TIMESTAMP AS at, CAST(EXTRACT(SECOND FROM CURRENT_TIMESTAMP) AS BIGINT) AS sec FROM t", .clock, &random)
        case 2 where number > 0, 3 where number > 0:
            // A query over what another one writes, changes included.
            let upstream = outputs[random.below(outputs.count)].name
            let numbers = catalog.relations[upstream]?.columns.filter { $0.type == .bigint }.map(\.name) ?? []
            guard let key = numbers.first, let value = numbers.last else { return }
            let sql =
                random.below(3) == 0
                ? "SELECT \(key) AS k, \(value) AS v FROM \(upstream) WHERE \(value) % 2 = 0"
                : "SELECT \(key) AS k, count(*) AS n, sum(\(value)) AS total, max(\(value)) AS top FROM \(upstream) GROUP BY \(key)"
            try addNaive(sql, isTimed: queries.contains { $0.target == upstream && $0.isTimed }, &random)
        case 4:
            // Two queries into one stream.
            let low = random.below(4) - 2
            try addNaive("SELECT id, k, v, s FROM t WHERE v > \(low)", isTimed: false, &random)
            guard let shared = queries.last?.target else { return }
            try addNaive("SELECT id, k, v, s FROM \(random.below(2) == 0 ? "u" : "c") WHERE v <= \(low)", isTimed: false, into: shared, &random)
        case 5, 6, 7, 8:
            var query = RandomQuery(seed: random.next())
            try addNaive(query.timed(), isTimed: true, &random)
        default:
            var query = RandomQuery(seed: random.next())
            try addNaive(query.untimed(), isTimed: false, &random)
        }
    }

    private mutating func addNaive(_ sql: String, isTimed: Bool, into target: String? = nil, _ random: inout SeededRandom) throws {
        do {
            let meaning = try Planner.meaning(try Parser.parseQuery(sql), catalog: catalog)
            try add(sql, .naive(meaning, isTimed: isTimed), into: target, &random)
        } catch let error as SQLError where error.code == SQLError.featureNotSupported {
            // The next draw.
        } catch is DataflowError {}
    }

    private mutating func add(_ sql: String, _ meaning: SimulatedQuery.Meaning, into target: String? = nil, _ random: inout SeededRandom) throws {
        let planned = try Planner.plan(try Parser.parseQuery(sql), mode: .continuous, catalog: catalog, options: PlannerOptions()).query
        _ = try DataflowGraph(plan: planned.plan, settings: DataflowSettings())
        let isChangelog = planned.changelog == .retract
        let output = target ?? "o\(queries.count)"
        if target == nil {
            let names = planned.schema.fields.map(\.name)
            guard Set(names).count == names.count else { return }
            let columns = planned.schema.fields.map { "\($0.name) \($0.type.name)" }.joined(separator: ", ")
            // The changes of a row stay in one shard only when no update moves it to another.
            let shards = isChangelog ? 1 : 1 + random.below(3)
            let definition = "CREATE STREAM \(output) (\(columns))" + (shards > 1 ? " PARTITION BY \(names[random.below(names.count)]) SHARDS \(shards)" : "")
            outputs.append((output, definition))
        }
        if let definition = outputs.first(where: { $0.name == output })?.sql {
            try catalog.define(definition, isChangelog: isChangelog || (catalog.relations[output]?.isChangelog ?? false))
        }
        let reads = Set(planned.plan.relationNames)
        queries.append(SimulatedQuery(name: "q\(queries.count)", target: output, sql: sql, meaning: meaning, isChangelog: isChangelog, reads: reads))
    }
}

extension PhysicalPlan {
    var relationNames: [String] {
        if case .scan(let node) = self { return [node.relation.name] }
        return inputs.flatMap(\.relationNames)
    }
}
