// StoredCatalog: the names of a data directory and what they stand for, on disk as the SQL that defined them.
//
// File `catalog` in the data directory, written anew at each change (beside it, synced, renamed, folder synced):
//
//     millrace catalog 1
//     next <id>
//     entry <id> <kind> <flags> <bytes of name> <bytes of SQL>       flags: 1 for a changelog stream; of a query its QuerySettings
//     <name><SQL>
//     ...
//     crc <CRC32C of all before it, decimal>
//
// The definition of an object is its statement, so the file can be read by a person, and a new version of the program reads it with its
// own parser. Ids are never used again: they name folders of the log and producers in its frames.

import Columns
import Planning
import Platform
import Syntax

/// The settings that a saved query was planned with. Its checkpoints fit no other plan, so they are kept with it.
package struct QuerySettings: Hashable, Sendable {
    package var partitionCount = 4
    package var optimizerRules = OptimizerRule.standard
    package var allowedLatenessMicroseconds: Int64 = 0
    /// 0: for ever.
    package var stateTTLMicroseconds: Int64 = 0

    package init() {}

    /// `4:1:0`, `4:1:0:3,4`, `4:1:0:ttl=3600000000`: partitions, whether the optimiser runs, lateness, the numbers of the rules that run or do not
    /// otherwise than they do by themselves, the TTL of state when there is one. Numbers that this version does not know are passed over; one is
    /// never used again.
    var text: String {
        let other = optimizerRules.symmetricDifference(OptimizerRule.standard)
        let left = OptimizerRule.allCases.indices.filter { other.contains(OptimizerRule.allCases[$0]) }
        var text = "\(partitionCount):\(optimizerRules.isEmpty ? 0 : 1):\(allowedLatenessMicroseconds)"
        if !optimizerRules.isEmpty, !left.isEmpty { text += ":" + left.map(String.init).joined(separator: ",") }
        return stateTTLMicroseconds == 0 ? text : text + ":ttl=\(stateTTLMicroseconds)"
    }

    init?(text: Substring) {
        var words = text.split(separator: ":")
        if let last = words.last, last.hasPrefix("ttl=") {
            guard let ttl = Int64(last.dropFirst(4)), ttl >= 0 else { return nil }
            stateTTLMicroseconds = ttl
            words.removeLast()
        }
        guard words.count == 3 || words.count == 4, let partitions = Int(words[0]), (1...256).contains(partitions), let lateness = Int64(words[2]) else { return nil }
        partitionCount = partitions
        optimizerRules = words[1] == "1" ? OptimizerRule.standard : []
        if words.count == 4 {
            let numbers = words[3].split(separator: ",").compactMap { Int($0) }.filter(OptimizerRule.allCases.indices.contains)
            optimizerRules.formSymmetricDifference(numbers.map { OptimizerRule.allCases[$0] })
        }
        allowedLatenessMicroseconds = lateness
    }
}

/// One object of the catalog.
package struct CatalogObject: Sendable {
    package enum Definition: Sendable {
        case relation(RelationDefinition)
        case view(ViewDefinition, Schema)
        case query(CreateQuery)
        case function(UserFunction)
    }

    package var id: UInt64
    package var name: String
    package var sql: String
    package var definition: Definition
    /// Of a query.
    package var settings = QuerySettings()

    package var kindName: String {
        switch definition {
        case .relation(let relation): relation.kind.rawValue
        case .view: ObjectKind.view.rawValue
        case .query: ObjectKind.query.rawValue
        case .function: ObjectKind.function.rawValue
        }
    }
}

package final class StoredCatalog: Catalog {
    /// Relations and views share one name space; queries and functions have their own.
    package private(set) var objects: [CatalogObject] = []
    package private(set) var nextID: UInt64 = 1
    private let path: String
    private let directory: String
    private let fileSystem: any FileSystem
    private let isWritable: Bool

    package init(directory: String, fileSystem: any FileSystem, isWritable: Bool) throws(EngineError) {
        self.directory = directory
        path = directory + "/catalog"
        self.fileSystem = fileSystem
        self.isWritable = isWritable
        if fileSystem.exists(path) { try load() }
    }

    // MARK: Look-up

    package func entry(named name: String) -> CatalogEntry? {
        switch relationOrView(named: name)?.definition {
        case .relation(let relation): .relation(relation)
        case .view(let view, _): .view(view)
        default: nil
        }
    }

    package var entryNames: [String] { objects.filter(\.isRelationOrView).map(\.name).sorted() }

    package func function(named name: String) -> UserFunction? { functionObject(named: name)?.function }
    package var functionNames: [String] { objects.filter(\.isFunction).map(\.name).sorted() }

    package func relationOrView(named name: String) -> CatalogObject? { find(name, among: objects.filter(\.isRelationOrView)) }
    package func functionObject(named name: String) -> CatalogObject? {
        let lower = name.lowercased()
        return objects.first { $0.isFunction && $0.name.lowercased() == lower }
    }
    package func query(named name: String) -> CatalogObject? { find(name, among: objects.filter(\.isQuery)) }

    /// Exactly, or without regard to case when that leaves one.
    private func find(_ name: String, among candidates: [CatalogObject]) -> CatalogObject? {
        if let exact = candidates.first(where: { $0.name == name }) { return exact }
        let lower = name.lowercased()
        let loose = candidates.filter { $0.name.lowercased() == lower }
        return loose.count == 1 ? loose[0] : nil
    }

    // MARK: Change

    package func add(
        name: String, sql: String, definition: CatalogObject.Definition, settings: QuerySettings = QuerySettings()
    ) throws(EngineError) -> CatalogObject {
        let object = CatalogObject(id: nextID, name: name, sql: sql, definition: definition, settings: settings)
        nextID += 1
        objects.append(object)
        do throws(EngineError) { try save() } catch {
            objects.removeLast()
            throw error
        }
        return object
    }

    package func remove(id: UInt64) throws(EngineError) {
        let before = objects
        objects.removeAll { $0.id == id }
        do throws(EngineError) { try save() } catch {
            objects = before
            throw error
        }
    }

    /// Replaces a relation's definition in place (the engine learnt that it is a changelog).
    package func update(id: UInt64, relation: RelationDefinition) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }) else { return }
        let before = objects[index]
        objects[index].definition = .relation(relation)
        do throws(EngineError) { try save() } catch {
            objects[index] = before
            throw error
        }
    }

    /// Another definition in the same place: what comes later in the file may need it when it is read.
    package func replace(id: UInt64, sql: String, definition: CatalogObject.Definition) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }) else { return }
        let before = objects[index]
        objects[index].sql = sql
        objects[index].definition = definition
        do throws(EngineError) { try save() } catch {
            objects[index] = before
            throw error
        }
    }

    // MARK: Disk

    private func save() throws(EngineError) {
        guard isWritable else { throw EngineError("\(directory) is open for reading only") }
        var text = Array("millrace catalog 1\nnext \(nextID)\n".utf8)
        for object in objects {
            let name = Array(object.name.utf8)
            let sql = Array(object.sql.utf8)
            var flags = "0"
            if case .relation(let relation) = object.definition, relation.isChangelog { flags = "1" }
            if object.isQuery { flags = object.settings.text }
            text.append(contentsOf: "entry \(object.id) \(object.kindName) \(flags) \(name.count) \(sql.count)\n".utf8)
            text.append(contentsOf: name)
            text.append(contentsOf: sql)
            text.append(10)
        }
        let crc = text.withUnsafeBytes { CRC32C.checksum($0) }
        text.append(contentsOf: "crc \(crc)\n".utf8)
        do {
            let file = try fileSystem.open(path + ".new", .truncate)
            try text.withUnsafeBytes { try file.write($0, at: 0) }
            try file.synchronize()
            try fileSystem.rename(path + ".new", to: path)
            try fileSystem.synchronizeDirectory(directory)
        } catch {
            throw EngineError("the catalog cannot be written: \(error)")
        }
    }

    private func load() throws(EngineError) {
        var bytes: [UInt8] = []
        do {
            let file = try fileSystem.open(path, .read)
            bytes = [UInt8](repeating: 0, count: try file.size())
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            bytes.removeSubrange(count...)
        } catch {
            throw EngineError("the catalog cannot be read: \(error)")
        }
        var reader = CatalogReader(bytes: bytes)
        guard let entries = reader.read(), entries.nextID < 1 << 62, entries.entries.allSatisfy({ $0.id < entries.nextID }),
            Set(entries.entries.map(\.id)).count == entries.entries.count
        else { throw EngineError("the catalog \(path) is damaged") }
        nextID = entries.nextID
        // What was replaced may need what was made after it, or stand behind what needs it: whatever cannot be read yet waits for the others.
        var waiting = entries.entries
        while !waiting.isEmpty {
            var left: [CatalogReader.Entry] = []
            var reason: EngineError?
            for entry in waiting {
                do throws(EngineError) { try restore(entry) } catch {
                    left.append(entry)
                    reason = reason ?? error
                }
            }
            if left.count == waiting.count, let reason { throw reason }
            waiting = left
        }
        objects.sort { $0.id < $1.id }
    }

    private func restore(_ entry: CatalogReader.Entry) throws(EngineError) {
        do throws(SQLError) {
            guard let statement = try Parser.parseScript(entry.sql).first?.statement else {
                throw SQLError("an empty definition", at: .none)
            }
            let definition: CatalogObject.Definition
            switch statement.kind {
            case .createRelation(let create):
                var relation = try Planner.define(create, catalog: self)
                relation.isChangelog = entry.flags == "1"
                definition = .relation(relation)
            case .createView(let create):
                let (view, schema) = try Planner.define(create, catalog: self)
                definition = .view(view, schema)
            case .createQuery(let create): definition = .query(create)
            case .createFunction(let create): definition = .function(try Planner.restore(create))
            default: throw SQLError("no definition", at: statement.span)
            }
            objects.append(
                CatalogObject(
                    id: entry.id, name: entry.name, sql: entry.sql, definition: definition,
                    settings: QuerySettings(text: entry.flags[...]) ?? QuerySettings()))
        } catch {
            throw EngineError("the catalog's definition of \(entry.name) cannot be read: \(error.message)")
        }
    }
}

extension CatalogObject {
    var isQuery: Bool { if case .query = definition { true } else { false } }
    var isFunction: Bool { if case .function = definition { true } else { false } }
    var isRelationOrView: Bool { !isQuery && !isFunction }
    package var function: UserFunction? { if case .function(let function) = definition { function } else { nil } }
    package var relation: RelationDefinition? { if case .relation(let relation) = definition { relation } else { nil } }
}

/// Takes the catalog's file apart, checking every length.
private struct CatalogReader {
    struct Entry {
        var id: UInt64
        var name: String
        var sql: String
        var flags: String
    }

    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func read() -> (nextID: UInt64, entries: [Entry])? {
        guard line() == "millrace catalog 1" else { return nil }
        guard let next = line()?.split(separator: " "), next.count == 2, let nextID = UInt64(next[1]) else { return nil }
        var entries: [Entry] = []
        while true {
            let start = position
            guard let words = line()?.split(separator: " ") else { return nil }
            if words.count == 2, words[0] == "crc" {
                let crc = bytes[..<start].withUnsafeBytes { CRC32C.checksum($0) }
                return UInt32(words[1]) == crc ? (nextID, entries) : nil
            }
            guard words.count == 6, words[0] == "entry", let id = UInt64(words[1]), let nameCount = Int(words[4]),
                let sqlCount = Int(words[5]), let name = text(nameCount), let sql = text(sqlCount), line() == ""
            else { return nil }
            entries.append(Entry(id: id, name: name, sql: sql, flags: String(words[3])))
        }
    }

    private mutating func line() -> String? {
        guard let end = bytes[position...].firstIndex(of: 10) else { return nil }
        defer { position = end + 1 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private mutating func text(_ count: Int) -> String? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }
}
