// StoredCatalog: the names of a data directory and what they stand for, on disk as the SQL that defined them.
//
// File `catalog` in the data directory, written anew at each change (beside it, synced, renamed, folder synced):
//
//     millrace catalog 1
//     next <id>
//     entry <id> <kind> <flags> <bytes of name> <bytes of SQL>       flags: 1 for a changelog stream; of a query its QuerySettings, and whether it is
//                                                                    paused; of an alert also its AlertMembership
//     <name><SQL>
//     ...
//     crc <CRC32C of all before it, decimal>
//
// The same is kept in `catalog.copy`, which is written first and taken when the other is damaged. A save that fails leaves the old catalog, on the
// disk too: when the new one may be there already, the old one is written over it.
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
        // A catalog of a thousand rules asks a thousand times at each change, and hardly ever is it anything else.
        let other = optimizerRules == OptimizerRule.standard ? [] : optimizerRules.symmetricDifference(OptimizerRule.standard)
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
        case notifier(CreateNotifier)
        case inhibition(CreateInhibition)
        case alert(CreateAlert)
    }

    package var id: UInt64
    package var name: String
    package var sql: String
    package var definition: Definition
    /// Of a query.
    package var settings = QuerySettings()
    /// Of a query: how often its definition was exchanged; its state lies in a folder of its own each time.
    package var generation = 0
    /// Of a query: it does not run until it is resumed.
    package var isPaused = false
    /// Of an alert.
    package var membership = AlertMembership()

    /// Below `queries`.
    static func queryFolder(_ id: UInt64, generation: Int) -> String { generation == 0 ? "\(id)" : "\(id)-\(generation)" }
    static func queryID(ofFolder name: String) -> UInt64? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count) && parts.allSatisfy { UInt64($0) != nil } ? UInt64(parts[0]) : nil
    }

    package var kindName: String {
        switch definition {
        case .relation(let relation): relation.isMaterializedView ? ObjectKind.materializedView.rawValue : relation.kind.rawValue
        case .view: ObjectKind.view.rawValue
        case .query: ObjectKind.query.rawValue
        case .function: ObjectKind.function.rawValue
        case .notifier: ObjectKind.notifier.rawValue
        case .inhibition: ObjectKind.inhibition.rawValue
        case .alert: "ALERT"
        }
    }
}

package final class StoredCatalog: Catalog {
    /// Relations and views share one name space; queries, functions, notifiers and inhibitions have their own.
    package private(set) var objects: [CatalogObject] = []
    /// Where the objects of a name are, without regard to case.
    private var places: [String: [Int]] = [:]
    package private(set) var nextID: UInt64 = 1
    private let path: String
    private let directory: String
    private let fileSystem: any FileSystem
    private let isWritable: Bool
    /// What opening found damaged that does no harm.
    package private(set) var notices: [String] = []

    /// Behind a query's flags.
    private static let pausedMark = "!paused"
    private static let headline = "millrace catalog 1"

    package init(directory: String, fileSystem: any FileSystem, isWritable: Bool) throws(EngineError) {
        self.directory = directory
        path = directory + "/catalog"
        self.fileSystem = fileSystem
        self.isWritable = isWritable
        try load()
    }

    // MARK: Look-up

    package func entry(named name: String) -> CatalogEntry? {
        switch relationOrView(named: name)?.definition {
        case .relation(let relation): .relation(relation)
        case .view(let view, _): .view(view)
        default: nil
        }
    }

    package func systemRelation(schema: String?, named name: String) -> RelationDefinition? {
        SystemRelation.find(schema: schema, named: name)?.definition
    }

    package var entryNames: [String] { objects.filter(\.isRelationOrView).map(\.name).sorted() }

    package func function(named name: String) -> UserFunction? { functionObject(named: name)?.function }
    package var functionNames: [String] { objects.filter(\.isFunction).map(\.name).sorted() }

    package func relationOrView(named name: String) -> CatalogObject? { find(name, \.isRelationOrView) }
    package func functionObject(named name: String) -> CatalogObject? { objects(named: name).first(where: \.isFunction) }
    package func alert(named name: String) -> CatalogObject? { find(name) { $0.isAlert && $0.membership.retirement == nil } }
    package func query(named name: String) -> CatalogObject? { find(name, \.isQuery) }

    /// Of all kinds, without regard to case, the oldest first.
    private func objects(named name: String) -> [CatalogObject] { (places[name.lowercased()] ?? []).map { objects[$0] } }

    /// Exactly, or without regard to case when that leaves one.
    private func find(_ name: String, _ isWanted: (CatalogObject) -> Bool) -> CatalogObject? {
        let candidates = objects(named: name).filter(isWanted)
        if let exact = candidates.first(where: { $0.name == name }) { return exact }
        return candidates.count == 1 ? candidates[0] : nil
    }

    /// After anything but an append.
    private func findPlaces() {
        places = [:]
        for place in objects.indices { notePlace(place) }
    }

    private func notePlace(_ place: Int) { places[objects[place].name.lowercased(), default: []].append(place) }

    // MARK: Change

    package func add(
        name: String, sql: String, definition: CatalogObject.Definition, settings: QuerySettings = QuerySettings()
    ) throws(EngineError) -> CatalogObject {
        let object = CatalogObject(id: nextID, name: name, sql: sql, definition: definition, settings: settings)
        nextID += 1
        try change { $0.append(object) }
        return object
    }

    /// A rule that runs as part of `group`; nil: as a group of its own, which has the rule's id. `retiring` is the rule whose place it takes, `removing`
    /// one that is gone at once.
    package func addAlert(
        name: String, sql: String, create: CreateAlert, settings: QuerySettings, group: UInt64?, afterEpoch: UInt64, signature: String,
        retiring: (id: UInt64, afterEpoch: UInt64)? = nil, removing: UInt64? = nil
    ) throws(EngineError) -> CatalogObject {
        var object = CatalogObject(id: nextID, name: name, sql: sql, definition: .alert(create), settings: settings)
        object.membership = AlertMembership(group: group ?? nextID, afterEpoch: afterEpoch, signature: signature)
        nextID += 1
        let added = object
        try change { objects in
            if let retiring, let place = objects.firstIndex(where: { $0.id == retiring.id }) {
                objects[place].membership.retirement = .ruleChanged
                objects[place].membership.afterEpoch = retiring.afterEpoch
            }
            if let removing { objects.removeAll { $0.id == removing } }
            objects.append(added)
        }
        return object
    }

    package func retireAlert(id: UInt64, _ reason: AlertReason, afterEpoch: UInt64) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }) else { return }
        try change { objects in
            objects[index].membership.retirement = reason
            objects[index].membership.afterEpoch = afterEpoch
        }
    }

    package func remove(id: UInt64) throws(EngineError) {
        try change { objects in objects.removeAll { $0.id == id } }
    }

    /// Replaces a relation's definition in place (the engine learnt that it is a changelog).
    package func update(id: UInt64, relation: RelationDefinition) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }) else { return }
        try change { $0[index].definition = .relation(relation) }
    }

    /// Another definition in the same place: what comes later in the file may need it when it is read.
    package func replace(id: UInt64, sql: String, definition: CatalogObject.Definition) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }) else { return }
        try change { objects in
            objects[index].sql = sql
            objects[index].definition = definition
        }
    }

    /// Another definition for a query, whose state lies in the folder of `generation`.
    package func replaceQuery(id: UInt64, sql: String, create: CreateQuery, settings: QuerySettings, generation: Int) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }) else { return }
        try change { objects in
            objects[index].sql = sql
            objects[index].definition = .query(create)
            objects[index].settings = settings
            objects[index].generation = generation
        }
    }

    package func setPaused(id: UInt64, _ isPaused: Bool) throws(EngineError) {
        guard let index = objects.firstIndex(where: { $0.id == id }), objects[index].isPaused != isPaused else { return }
        try change { $0[index].isPaused = isPaused }
    }

    /// Ends the message of an error after which nobody can tell which catalog lasts.
    static let uncertainty = "the change may be there after the next opening all the same"

    /// Makes a change and saves it, or neither.
    private func change(_ body: (inout [CatalogObject]) -> Void) throws(EngineError) {
        guard isWritable else { throw EngineError("\(directory) is open for reading only") }
        let before = objects
        body(&objects)
        findPlaces()
        var isInPlace = false
        do throws(FileError) { try save(&isInPlace) } catch {
            objects = before
            findPlaces()
            var outcome = ""
            if isInPlace {
                // The new file has its name already, but the name may not last: put the old one back.
                var ignored = false
                do throws(FileError) { try save(&ignored) } catch {
                    outcome = "; \(StoredCatalog.uncertainty)"
                }
            }
            throw EngineError("the catalog cannot be written: \(error)\(outcome)", cause: error)
        }
    }

    // MARK: Disk

    private func save(_ isInPlace: inout Bool) throws(FileError) {
        var text = Array("\(StoredCatalog.headline)\nnext \(nextID)\n".utf8)
        for object in objects {
            let name = Array(object.name.utf8)
            let sql = Array(object.sql.utf8)
            var flags = "0"
            if case .relation(let relation) = object.definition, relation.isChangelog { flags = "1" }
            if object.isQuery {
                flags = object.settings.text + (object.generation == 0 ? "" : "@\(object.generation)") + (object.isPaused ? StoredCatalog.pausedMark : "")
            } else if object.isAlert {
                flags = object.settings.text + ";" + object.membership.text + (object.isPaused ? StoredCatalog.pausedMark : "")
            }
            text.append(contentsOf: "entry \(object.id) \(object.relation?.kind.rawValue ?? object.kindName) \(flags) \(name.count) \(sql.count)\n".utf8)
            text.append(contentsOf: name)
            text.append(contentsOf: sql)
            text.append(10)
        }
        let crc = text.withUnsafeBytes { CRC32C.checksum($0) }
        text.append(contentsOf: "crc \(crc)\n".utf8)
        // The copy's name lasts with the other's: one sync of the folder is enough.
        try put(text, path + ".copy")
        try put(text, path)
        isInPlace = true
        try fileSystem.synchronizeDirectory(directory)
    }

    private func put(_ bytes: [UInt8], _ path: String) throws(FileError) {
        let file = try fileSystem.open(path + ".new", .truncate)
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try file.write(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        try file.synchronize()
        try fileSystem.rename(path + ".new", to: path)
    }

    /// What a file holds: entries, or why there are none. Nil when there is no such file.
    private static func read(_ path: String, _ fileSystem: any FileSystem) throws(EngineError) -> CatalogReader.Outcome? {
        guard fileSystem.exists(path) else { return nil }
        do {
            let file = try fileSystem.open(path, .read)
            var bytes = [UInt8](repeating: 0, count: try file.size())
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            bytes.removeSubrange(count...)
            var reader = CatalogReader(bytes: bytes)
            return reader.read(headline: headline)
        } catch {
            throw EngineError("the catalog cannot be read: \(error)", cause: error as? FileError)
        }
    }

    /// Throws when a data directory has a catalog that this program does not know. Changes nothing.
    static func checkVersion(directory: String, fileSystem: any FileSystem) throws(EngineError) {
        let path = directory + "/catalog"
        guard case .unknownVersion(let found)? = try read(path, fileSystem) else { return }
        // A version that only one of the two has is damage.
        if case .entries? = try read(path + ".copy", fileSystem) { return }
        throw EngineError("\(path) has format '\(found)'; this program reads '\(headline)'")
    }

    /// Whether the catalog is whole; what is wrong with either of its files.
    static func verify(directory: String, fileSystem: any FileSystem) throws(EngineError) -> [String] {
        var faults: [String] = []
        for path in [directory + "/catalog", directory + "/catalog.copy"] {
            switch try read(path, fileSystem) {
            case .damaged(let offset): faults.append("\(path), offset \(offset): the catalog is damaged")
            case .unknownVersion(let found): faults.append("\(path), offset 0: unknown format '\(found)'")
            case .entries, nil: break
            }
        }
        return faults
    }

    private func load() throws(EngineError) {
        var found = try StoredCatalog.read(path, fileSystem)
        var isWhole = false
        if case .entries? = found { isWhole = true }
        if found == nil, !fileSystem.exists(path + ".copy") { return }
        if !isWhole {
            guard case .entries(let next, let entries)? = try StoredCatalog.read(path + ".copy", fileSystem) else {
                switch found {
                case .damaged(let offset): throw EngineError("the catalog \(path) is damaged at offset \(offset), and so is its copy")
                case .unknownVersion(let version): throw EngineError("\(path) has format '\(version)'; this program reads '\(StoredCatalog.headline)'")
                case .entries, nil: throw EngineError("the catalog \(path) is missing, and its copy is damaged")
                }
            }
            notices.append("the catalog \(path) is \(found == nil ? "missing" : "damaged"); its copy is used")
            found = .entries(nextID: next, entries)
        }
        guard case .entries(let next, let entries)? = found else { return }
        guard next < 1 << 62, entries.allSatisfy({ $0.id < next }), Set(entries.map(\.id)).count == entries.count else {
            throw EngineError("the catalog \(path) is damaged: its ids contradict one another")
        }
        nextID = next
        // What was replaced may need what was made after it, or stand behind what needs it: whatever cannot be read yet waits for the others.
        var waiting = entries
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
        findPlaces()
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
            case .createView(let create) where create.isMaterialized: definition = .query(Session.savedQuery(of: create))
            case .createView(let create):
                let (view, schema) = try Planner.define(create, catalog: self)
                definition = .view(view, schema)
            case .createQuery(let create): definition = .query(create)
            case .createFunction(let create): definition = .function(try Planner.restore(create))
            case .notification(.createNotifier(let create)): definition = .notifier(create)
            case .notification(.createInhibition(let create)): definition = .inhibition(create)
            case .alert(.create(let create)): definition = .alert(create)
            default: throw SQLError("no definition", at: statement.span)
            }
            let isPaused = entry.flags.hasSuffix(StoredCatalog.pausedMark)
            let parts = entry.flags.dropLast(isPaused ? StoredCatalog.pausedMark.count : 0).split(separator: ";", maxSplits: 1)
            let flags = (parts.first ?? "").split(separator: "@", maxSplits: 1)
            var object = CatalogObject(
                    id: entry.id, name: entry.name, sql: entry.sql, definition: definition,
                    settings: flags.first.flatMap { QuerySettings(text: $0[...]) } ?? QuerySettings(),
                    generation: flags.count > 1 ? Int(flags[1]) ?? 0 : 0)
            object.isPaused = isPaused
            if object.isAlert {
                guard parts.count == 2, let membership = AlertMembership(text: parts[1]) else { throw SQLError("its group is not known", at: statement.span) }
                object.membership = membership
            }
            objects.append(object)
            notePlace(objects.count - 1)
        } catch {
            throw EngineError("the catalog's definition of \(entry.name) cannot be read: \(error.message)")
        }
    }
}

extension CatalogObject {
    var isQuery: Bool { if case .query = definition { true } else { false } }
    var isFunction: Bool { if case .function = definition { true } else { false } }
    var isRelationOrView: Bool {
        switch definition {
        case .relation, .view: true
        default: false
        }
    }
    /// Notifiers and inhibitions have names of their own.
    var isNotification: Bool { notificationKind != nil }
    var notificationKind: ObjectKind? {
        switch definition {
        case .notifier: .notifier
        case .inhibition: .inhibition
        default: nil
        }
    }
    /// The statement as people may see it: without secrets.
    package var shownSQL: String { if case .notifier(let create) = definition { NotifierDefinition.shown(create) } else { sql } }
    var isAlert: Bool { if case .alert = definition { true } else { false } }
    package var alert: CreateAlert? { if case .alert(let create) = definition { create } else { nil } }
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

    enum Outcome {
        case entries(nextID: UInt64, [Entry])
        /// From about this byte on it makes no sense, or does not fit its checksum.
        case damaged(offset: Int)
        /// The first line of a catalog of another version.
        case unknownVersion(String)
    }

    mutating func read(headline: String) -> Outcome {
        guard let first = line() else { return .damaged(offset: 0) }
        guard first == headline else { return first.hasPrefix("millrace catalog ") ? .unknownVersion(String(first.prefix(40))) : .damaged(offset: 0) }
        guard let next = line()?.split(separator: " "), next.count == 2, next[0] == "next", let nextID = UInt64(next[1]) else {
            return .damaged(offset: position)
        }
        var entries: [Entry] = []
        while true {
            let start = position
            guard let words = line()?.split(separator: " ", omittingEmptySubsequences: false) else { return .damaged(offset: start) }
            if words.count == 2, words[0] == "crc" {
                let crc = bytes[..<start].withUnsafeBytes { CRC32C.checksum($0) }
                return UInt32(words[1]) == crc && position == bytes.count ? .entries(nextID: nextID, entries) : .damaged(offset: start)
            }
            guard words.count == 6, words[0] == "entry", let id = UInt64(words[1]), let nameCount = Int(words[4]),
                let sqlCount = Int(words[5]), let name = text(nameCount), let sql = text(sqlCount), line() == ""
            else { return .damaged(offset: start) }
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
