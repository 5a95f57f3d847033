// AlterationPlan: what of a saved query's state fits another definition of it.
//
// A stage's state is a function of what its inputs have brought. So it fits a stage of the new graph with the same signature, which says what
// the stage computes and of what, down to the sources: that stage keeps its state, whatever has changed above it. Every other stage of the new
// graph is rebuilt: the new graph reads what the log retains, up to where the old one stands. Stages of the old graph that no new one takes are dropped.
//
// What comes out:
// - A query that only appends goes on: rows that the new definition would have given for what has been read before are not given afterwards, and
//   rows that the old one gave stay.
// - One that takes rows back leaves the result of the new definition: what differs between the two results is written in the epoch of the swap.
//   Both are computed from the log for that, unless the whole query is as it was.

import Dataflow
import Planning

struct AlterationPlan {
    struct Stage {
        var name: String
        var signature: String
        /// The number of the old stage whose state it takes; nil when it is rebuilt.
        var kept: Int?
    }

    let stages: [Stage]
    /// Names of old stages.
    let dropped: [String]
    /// By scan of the new graph, the scan of the old one that reads the same relation.
    let scans: [Int?]
    /// Nothing has changed but the text.
    let isSame: Bool
    /// The result is a changelog, and is another one than before.
    let writesDifference: Bool

    /// Whether the log has to be read from its beginning.
    var isRebuilt: Bool { writesDifference || stages.contains { $0.kept == nil } }

    init(from old: DataflowGraph, _ oldPlan: PlannedQuery, to new: DataflowGraph, _ newPlan: PlannedQuery, hasSameTarget: Bool) {
        var free = Array(old.stageSignatures.indices)
        var stages: [Stage] = []
        for (name, signature) in zip(new.stageNames, new.stageSignatures) {
            let place = free.firstIndex { old.stageSignatures[$0] == signature }
            stages.append(Stage(name: name, signature: signature, kept: place.map { free[$0] }))
            if let place { free.remove(at: place) }
        }
        self.stages = stages
        dropped = free.map { old.stageNames[$0] }
        var readers = old.scans.map { Optional($0.relation.name) }
        scans = new.scans.map { scan in
            let place = readers.firstIndex(of: scan.relation.name)
            if let place { readers[place] = nil }
            return place
        }
        isSame = hasSameTarget && oldPlan.plan.signature == newPlan.plan.signature && oldPlan.changelog == newPlan.changelog
        writesDifference = !isSame && (newPlan.changelog == .retract || (hasSameTarget && oldPlan.changelog == .retract))
    }

    /// For people, a line each. `sources` says of each scan of the new graph what is to be read again.
    func lines(query: String, target: String, hasSameTarget: Bool, sources: [String]) -> [String] {
        if isSame { return ["query \(query): nothing changes but its text"] }
        var lines = ["query \(query), at the end of an epoch:"]
        for stage in stages {
            let first = stage.signature.prefix { !$0.isNewline }
            lines.append("  \(stage.kept == nil ? "rebuild" : "keep   ") \(stage.name): \(first)")
        }
        for name in dropped { lines.append("  drop    \(name)") }
        if stages.isEmpty && dropped.isEmpty { lines.append("  no operator keeps state") }
        if isRebuilt {
            for source in sources { lines.append("  read again: \(source)") }
        }
        if writesDifference {
            lines.append("  output: what differs between the old and the new result is written to \(target), and changes from there on")
        } else {
            lines.append("  output: \(target) takes the rows of the new definition from there on; those written before stay")
        }
        if !hasSameTarget { lines.append("  output: what the query wrote elsewhere stays as it is") }
        return lines
    }
}
