// StateTree: where the pieces of a graph's state are; what a capture adds to it.
//
// The state is a part for the graph, and for each stage a part that all of it shares and one for each partition. A part has bytes of its own,
// which are replaced when they change, and collections of numbered rows, whose blocks have a base and deltas (see NumberedRows). `Content` is
// what a piece is for whoever keeps the tree: a place in a file, bytes in memory.

import Columns
import Platform

package struct StateTree<Content: Sendable>: Sendable {
    package struct Collection: Sendable {
        package var id: UInt64
        package var rowCount: Int
        /// Of each block the base, then deltas, oldest first.
        package var blocks: [[Content]]

        package init(id: UInt64, rowCount: Int, blocks: [[Content]]) {
            self.id = id
            self.rowCount = rowCount
            self.blocks = blocks
        }
    }

    package struct Part: Sendable {
        package var main: Content
        /// Of the bytes of `main`; nil when it has to be replaced in any case.
        package var fingerprint: Fingerprint?
        package var collections: [Collection]

        package init(main: Content, fingerprint: Fingerprint? = nil, collections: [Collection]) {
            self.main = main
            self.fingerprint = fingerprint
            self.collections = collections
        }
    }

    package struct Stage: Sendable {
        /// For people: `tumble #2`.
        package var name: String
        /// What the stage computes of what: a state fits a stage with the same signature.
        package var signature: String
        /// What all partitions share, then the partitions.
        package var parts: [Part]

        package init(name: String, signature: String, parts: [Part]) {
            self.name = name
            self.signature = signature
            self.parts = parts
        }
    }

    /// The graph itself: name and signature are empty, and it has one part.
    package var graph: Stage
    package var stages: [Stage]

    package init(graph: Stage, stages: [Stage]) {
        self.graph = graph
        self.stages = stages
    }

    /// A tree of the same form with other contents.
    package func map<Other: Sendable, Failure: Error>(_ transform: (Content) throws(Failure) -> Other) throws(Failure) -> StateTree<Other> {
        func part(_ part: Part) throws(Failure) -> StateTree<Other>.Part {
            var collections: [StateTree<Other>.Collection] = []
            for collection in part.collections {
                var blocks: [[Other]] = []
                blocks.reserveCapacity(collection.blocks.count)
                for block in collection.blocks {
                    var pieces: [Other] = []
                    pieces.reserveCapacity(block.count)
                    for piece in block { pieces.append(try transform(piece)) }
                    blocks.append(pieces)
                }
                collections.append(.init(id: collection.id, rowCount: collection.rowCount, blocks: blocks))
            }
            return .init(main: try transform(part.main), fingerprint: part.fingerprint, collections: collections)
        }
        func stage(_ stage: Stage) throws(Failure) -> StateTree<Other>.Stage {
            var parts: [StateTree<Other>.Part] = []
            for item in stage.parts { parts.append(try part(item)) }
            return .init(name: stage.name, signature: stage.signature, parts: parts)
        }
        var mapped: [StateTree<Other>.Stage] = []
        for item in stages { mapped.append(try stage(item)) }
        return StateTree<Other>(graph: try stage(graph), stages: mapped)
    }

    /// Every piece, in a fixed order.
    package func forEach(_ body: (Content) -> Void) {
        for stage in [graph] + stages {
            for part in stage.parts {
                body(part.main)
                for collection in part.collections { for block in collection.blocks { for piece in block { body(piece) } } }
            }
        }
    }

    /// The tree after a capture: what has not changed stays where it is, `place` is asked where the rest goes, in the order of `forEach`.
    package static func applying(_ capture: StateCapture, to before: StateTree?, place: ([UInt8]) -> Content) -> StateTree {
        func part(_ captured: StateCapture.Part, _ old: Part?) -> Part {
            let fingerprint = captured.main.withUnsafeBytes { Fingerprint($0) }
            let main: Content
            if let old, old.fingerprint == fingerprint { main = old.main } else { main = place(captured.main) }
            var known: [UInt64: Collection] = [:]
            for collection in old?.collections ?? [] { known[collection.id] = collection }
            var collections: [Collection] = []
            for taken in captured.collections {
                var blocks = taken.isNew ? [] : known[taken.id]?.blocks ?? []
                for block in taken.blocks {
                    let content = place(block.bytes)
                    while block.number >= blocks.count { blocks.append([]) }
                    if block.isBase {
                        blocks[block.number] = [content]
                    } else if block.replacesDeltas, let base = blocks[block.number].first {
                        blocks[block.number] = [base, content]
                    } else {
                        blocks[block.number].append(content)
                    }
                }
                collections.append(Collection(id: taken.id, rowCount: taken.rowCount, blocks: blocks))
            }
            return Part(main: main, fingerprint: fingerprint, collections: collections)
        }
        func stage(_ captured: StateCapture.Stage, _ old: Stage?) -> Stage {
            var parts: [Part] = []
            for (index, taken) in captured.parts.enumerated() {
                parts.append(part(taken, old.flatMap { index < $0.parts.count ? $0.parts[index] : nil }))
            }
            return Stage(name: captured.name, signature: captured.signature, parts: parts)
        }
        let graph = stage(capture.graph, before?.graph)
        var stages: [Stage] = []
        for (index, captured) in capture.stages.enumerated() {
            stages.append(stage(captured, before.flatMap { index < $0.stages.count ? $0.stages[index] : nil }))
        }
        return StateTree(graph: graph, stages: stages)
    }
}

/// Tells contents apart: two that differ have different ones, but for one in 2^128.
package struct Fingerprint: Hashable, Sendable {
    private var count: Int
    private var low: UInt64
    private var high: UInt64

    package init(_ bytes: UnsafeRawBufferPointer) {
        count = bytes.count
        low = Hash64.hash(bytes, seed: 0x243F_6A88_85A3_08D3)
        high = Hash64.hash(bytes, seed: 0x1319_8A2E_0370_7344)
    }
}

/// What of a graph's state has changed since the capture before it: bytes in memory, which nothing else touches.
package struct StateCapture: Sendable {
    package struct Part: Sendable {
        package var main: [UInt8]
        package var collections: [CapturedCollection]
    }

    package struct Stage: Sendable {
        package var name: String
        package var signature: String
        package var parts: [Part]
    }

    package var graph: Stage
    package var stages: [Stage]

    package var byteCount: Int {
        var total = 0
        for stage in [graph] + stages {
            for part in stage.parts {
                total += part.main.count
                for collection in part.collections { for block in collection.blocks { total += block.bytes.count } }
            }
        }
        return total
    }
}

/// A part of a stored state, for reading.
final class StoredPart: @unchecked Sendable {
    // Safe to share: read-only but for the numbers noted, by the one task that reads the part.
    let main: Buffer
    let collections: [UInt64: StoredRows]
    private let capture: PartCapture

    init(_ part: StateTree<Buffer>.Part, _ capture: PartCapture) {
        main = part.main
        self.capture = capture
        collections = Dictionary(
            part.collections.map { ($0.id, StoredRows(rowCount: $0.rowCount, blocks: $0.blocks)) }, uniquingKeysWith: { first, _ in first })
    }

    func noteTaken(_ collection: UInt64) { capture.noteTaken(collection) }
}
