// ALTER STREAM: splitting and merging the shards of a stream, while it is written and queries read it.

import Planning
import Platform
import ShardLog
import Syntax

extension Session {
    func alterStream(_ alter: AlterStream) throws -> StatementResult {
        guard let object = engine.object(named: alter.name.last.name), let relation = object.relation else {
            throw unknown("stream", alter.name, among: engine.relationNames)
        }
        guard let stream = engine.stream(of: object) else {
            try engine.checkReadable(object)
            throw SQLError(
                "\"\(object.name)\" is no stream of the log and has no shards", at: alter.name.span, code: SQLError.featureNotSupported)
        }
        if relation.isChangelog, relation.partitionBy.isEmpty, case .split = alter.change {
            throw SQLError(
                "the changes of one row would lie in several shards, where their order is lost", at: alter.name.span,
                hint: "a changelog stream that is to be split needs PARTITION BY or a PRIMARY KEY", code: SQLError.featureNotSupported)
        }
        let change: ShardChange =
            switch alter.change {
            case .split(let shard, let place): .split(shard: try Session.shardNumber(shard), at: try place.map { try Session.hashKey($0) })
            case .merge(let first, let second): .merge(try Session.shardNumber(first), try Session.shardNumber(second))
            }
        do {
            let made = try engine.log.change(stream, change)
            note("\(object.name): shard\(made.count == 1 ? "" : "s") \(made.map(String.init).joined(separator: " and ")) \(made.count == 1 ? "takes" : "take") rows now")
        } catch LogError.mismatch(_, let reason) {
            throw SQLError(reason, at: alter.name.span, code: SQLError.invalidParameter)
        } catch {
            throw EngineError("\(error)", cause: FileError.behind(error))
        }
        return .done(tag: "ALTER STREAM")
    }

    private static func shardNumber(_ expression: Expression) throws(SQLError) -> Int {
        guard case .literal(.integer(let text)) = expression.kind, let number = Int(text), number < StreamDescription.shardCountMax else {
            throw SQLError("there is no shard with this number", at: expression.span, code: SQLError.invalidParameter)
        }
        return number
    }

    private static func hashKey(_ expression: Expression) throws(SQLError) -> UInt128 {
        guard case .literal(.string(let text)) = expression.kind, let key = UInt128(text) else {
            throw SQLError(
                "not a hash key", at: expression.span, hint: "hash keys are decimal numbers from 0 to \(UInt128.max)", code: SQLError.invalidParameter)
        }
        return key
    }
}
