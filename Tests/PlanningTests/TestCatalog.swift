// TestCatalog: a catalog in memory, filled by the statements that would fill a real one.

import Columns
import Planning
import Syntax

struct TestCatalog: Catalog {
    private(set) var entries: [String: CatalogEntry] = [:]

    func entry(named name: String) -> CatalogEntry? {
        if let exact = entries[name] { return exact }
        let matches = entries.keys.filter { $0.lowercased() == name.lowercased() }
        return matches.count == 1 ? entries[matches[0]] : nil
    }

    var entryNames: [String] { entries.keys.sorted() }

    private(set) var functions: [String: UserFunction] = [:]
    func function(named name: String) -> UserFunction? { functions[name.lowercased()] }
    var functionNames: [String] { functions.values.map(\.name).sorted() }

    mutating func add(_ function: UserFunction) { functions[function.name.lowercased()] = function }

    mutating func define(_ relation: CreateRelation) throws {
        entries[relation.name.last.name] = .relation(try Planner.define(relation, catalog: self))
    }

    mutating func define(_ view: CreateView) throws {
        entries[view.name.last.name] = .view(try Planner.define(view, catalog: self).definition)
    }

    mutating func add(_ relation: RelationDefinition) { entries[relation.name] = .relation(relation) }
    mutating func add(_ view: ViewDefinition) { entries[view.name] = .view(view) }

    /// What most tests use.
    static let standard: TestCatalog = {
        var catalog = TestCatalog()
        do {
            for parsed in try Parser.parseScript(standardScript) {
                switch parsed.statement.kind {
                case .createRelation(let relation): try catalog.define(relation)
                case .createView(let view): try catalog.define(view)
                default: continue
                }
            }
            if case .relation(var changes)? = catalog.entry(named: "balances") {
                changes.isChangelog = true
                catalog.add(changes)
            }
        } catch { preconditionFailure("the test catalog does not bind: \(error)") }
        return catalog
    }()

    static let standardScript = """
        CREATE STREAM bid (
            auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR,
            WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND
        );
        CREATE STREAM sensor (
            id INT NOT NULL, reading DOUBLE, unit VARCHAR(8), at_ms BIGINT, ok BOOLEAN, price DECIMAL(10, 2),
            at AS TO_TIMESTAMP(at_ms / 1000), fahrenheit AS reading * 1.8E0 + 32E0
        ) PARTITION BY (id) SHARDS 4;
        CREATE STREAM clicks (
            "user" VARCHAR, page VARCHAR, raw VARCHAR, ts TIMESTAMP(6) WITH TIME ZONE, day AS CAST(ts AS DATE),
            WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE
        );
        CREATE STREAM plain (a INT, b VARCHAR, t TIMESTAMP(3));
        CREATE STREAM mixed ("Name" VARCHAR, name VARCHAR, other INT);
        CREATE STREAM balances (account BIGINT, amount BIGINT);
        CREATE TABLE people (id BIGINT NOT NULL, name VARCHAR, born DATE) WITH (connector = 'file', path = 'people.json', format = 'json');
        CREATE TABLE sink (auction BIGINT, num BIGINT NOT NULL, note VARCHAR(5)) WITH (connector = 'blackhole');
        CREATE STREAM output (auction BIGINT, total AS auction * 2, at TIMESTAMP(3), text VARCHAR);
        CREATE STREAM auction (
            id BIGINT, itemName VARCHAR, initialBid BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
            WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND
        );
        CREATE STREAM person (
            id BIGINT, name VARCHAR, city VARCHAR, state VARCHAR, dateTime TIMESTAMP(3),
            WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND
        );
        CREATE STREAM rates (
            currency VARCHAR, rate DECIMAL(12, 4), since TIMESTAMP(3), WATERMARK FOR since AS since - INTERVAL '1' SECOND, PRIMARY KEY (currency) NOT ENFORCED
        );
        CREATE TABLE side_input (key BIGINT, "value" VARCHAR) WITH (connector = 'file', path = 'side.csv', format = 'csv');
        CREATE VIEW high AS SELECT auction, price, dateTime FROM bid WHERE price > 1000;
        CREATE VIEW renamed (a, p) AS SELECT auction, price FROM high;
        CREATE VIEW per_auction AS SELECT auction, count(*) AS num FROM bid GROUP BY auction;
        """
}
