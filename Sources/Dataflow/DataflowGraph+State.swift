// DataflowGraph+State: the graph's state as bytes, in two forms.
//
// - A snapshot is one row of bytes with everything. Its reader expects damage anywhere.
// - A capture is what has changed since the capture before it, in pieces (see NumberedRows, StateTree); a graph is restored from the pieces
//   that are current. Parts are captured, and read, at the same time.
//
// Both are written by the same functions of the operators. A part of a stage knows nothing of other stages, so that a stage can also be
// restored by itself.

import Columns
import Platform

extension DataflowGraph {
    private static let formatVersion: UInt32 = 2
    /// A sample of the hash that assigns keys to partitions: state made with another one cannot be used.
    private static let hashSample = KeyHash.int64(0x4D69_6C6C) ^ KeyHash.combine(1, 2)

    // MARK: The parts

    private func writeGraph(to writer: inout StateWriter) {
        writer.write(DataflowGraph.formatVersion)
        writer.write(DataflowGraph.hashSample)
        writer.write(count: settings.partitionCount)
        writer.write(count: trackers.count)
        writer.write(count: stages.count)
        writer.write(isFinished)
        writer.write(valuesAreOut)
        writer.write(outputWatermark)
        writer.write(count: lateRowCount)
        writer.write(count: failedRowCount)
        writer.write(count: outputRowCount)
        for tracker in trackers { tracker.write(to: &writer) }
    }

    private func readGraph(from reader: inout StateReader) throws(StateError) {
        guard try reader.read(UInt32.self) == DataflowGraph.formatVersion else { throw reader.failure("an unknown format version") }
        guard try reader.read(UInt64.self) == DataflowGraph.hashSample else { throw reader.failure("keys were placed by another hash") }
        guard try reader.readCount(bytesEach: 0) == settings.partitionCount else { throw reader.failure("another number of partitions") }
        guard try reader.readCount(bytesEach: 0) == trackers.count, try reader.readCount(bytesEach: 0) == stages.count else {
            throw reader.failure("made by another plan")
        }
        isFinished = try reader.readBool()
        valuesAreOut = try reader.readBool()
        outputWatermark = try reader.read()
        lateRowCount = try reader.readCount(bytesEach: 0)
        failedRowCount = try reader.readCount(bytesEach: 0)
        outputRowCount = try reader.readCount(bytesEach: 0)
        for index in trackers.indices { try trackers[index].read(from: &reader) }
    }

    /// What all partitions of a stage share, with what the graph keeps beside it.
    private func writeShared(_ stage: Int, to writer: inout StateWriter) {
        let state = stageStates[stage]
        writer.write(stages[stage].name)
        writer.write(state.watermark)
        writer.write(state.outputWatermark)
        writer.write(state.hasEnded)
        writer.write(count: state.rowsIn)
        writer.write(count: state.rowsOut)
        writer.write(count: state.lateRows)
        writer.write(count: state.failedRows)
        stages[stage].write(to: &writer)
    }

    /// `name` when the stage that wrote it had another one.
    private func readShared(_ stage: Int, named name: String? = nil, from reader: inout StateReader) throws(StateError) {
        guard try reader.readString() == name ?? stages[stage].name else { throw reader.failure("made by another plan") }
        stageStates[stage].watermark = try reader.read()
        stageStates[stage].outputWatermark = try reader.read()
        stageStates[stage].hasEnded = try reader.readBool()
        stageStates[stage].rowsIn = try reader.readCount(bytesEach: 0)
        stageStates[stage].rowsOut = try reader.readCount(bytesEach: 0)
        stageStates[stage].lateRows = try reader.readCount(bytesEach: 0)
        stageStates[stage].failedRows = try reader.readCount(bytesEach: 0)
        try stages[stage].read(from: &reader)
    }

    // MARK: Snapshots

    /// Operator state, watermark trackers and counters as bytes; the same state gives the same bytes whatever the number of workers.
    package func snapshot(into writer: inout StateWriter) {
        writer.section(0x4C41_5244) { writer in
            writeGraph(to: &writer)
            for (number, stage) in stages.enumerated() {
                writer.section(3) { writer in
                    writeShared(number, to: &writer)
                    for part in 0..<stage.partCount { writer.section(1) { stage.write(part: part, to: &$0) } }
                }
            }
        }
    }

    /// Into a graph that has not run yet, made of the same plan and settings. After an error the graph must not be used.
    package func restore(from reader: inout StateReader) throws(StateError) {
        try reader.section(0x4C41_5244) { (reader) throws(StateError) in
            try readGraph(from: &reader)
            for (number, stage) in stages.enumerated() {
                try reader.section(3) { (reader) throws(StateError) in
                    try readShared(number, from: &reader)
                    for part in 0..<stage.partCount {
                        try reader.section(1) { (reader) throws(StateError) in try stage.read(part: part, from: &reader) }
                    }
                }
            }
        }
    }

    // MARK: Captures

    /// What has changed since the last capture, or since the state was restored. Between epochs only. What is captured must become part of a
    /// checkpoint before the next capture does: nothing of it is given again, but for `all`.
    package func capture(all: Bool = false, pool: WorkerPool) -> StateCapture {
        let work = PartWork<StateCapture.Part>(self)
        let rows = stages.reduce(0) { $0 + $1.groupCount }
        let captureOne: @Sendable (Int) -> Void = { index in
            let item = work.items[index]
            let capture = work.graph.captures[item.stage + 1][item.part]
            capture.begin(all: all)
            var writer = StateWriter(capturing: capture)
            work.graph.write(item.stage, item.part, to: &writer)
            work.results[index] = StateCapture.Part(main: writer.bytes, collections: capture.collections)
        }
        if rows < settings.inlineRowsMax {
            for index in work.items.indices { captureOne(index) }
        } else {
            pool.run(count: work.items.count, body: captureOne)
        }
        var graph = StateCapture.Stage(name: "", signature: "", parts: [])
        var captured = stages.indices.map { StateCapture.Stage(name: stages[$0].name, signature: stageSignatures[$0], parts: []) }
        for (index, item) in work.items.enumerated() {
            guard let part = work.results[index] else { continue }
            if item.stage < 0 { graph.parts.append(part) } else { captured[item.stage].parts.append(part) }
        }
        return StateCapture(graph: graph, stages: captured)
    }

    /// Into a graph that has not run yet, made of the same plan and settings. After an error the graph must not be used. Captures go on from here.
    package func restore(from tree: StateTree<Buffer>, pool: WorkerPool) throws(StateError) {
        guard tree.graph.parts.count == 1, tree.stages.count == stages.count,
            zip(tree.stages, stages).allSatisfy({ $0.parts.count == $1.partCount + 1 })
        else { throw StateError(message: "made by another plan", offset: 0) }
        try read(-1, 0, from: tree.graph.parts[0])
        for (number, stage) in tree.stages.enumerated() { try read(number, 0, from: stage.parts[0]) }
        let work = PartWork<StateError>(self)
        let items = work.items.indices.filter { work.items[$0].part > 0 }
        pool.run(count: items.count) { index in
            let item = work.items[items[index]]
            do throws(StateError) {
                try work.graph.read(item.stage, item.part, from: tree.stages[item.stage].parts[item.part])
            } catch {
                work.results[items[index]] = error
            }
        }
        for case .some(let error) in work.results { throw error }
    }

    // MARK: Taking over

    /// The names of the stages, for people, in the order of `stageSignatures`.
    package var stageNames: [String] { stages.map(\.name) }

    /// Into a graph that has not run yet: the state of one stage, written by a stage of any graph with the same signature and as many partitions.
    package func restore(stage number: Int, from stored: StateTree<Buffer>.Stage) throws(StateError) {
        guard stored.parts.count == stages[number].partCount + 1 else { throw StateError(message: "made by another plan", offset: 0) }
        for part in stored.parts.indices { try read(number, part, named: stored.name, from: stored.parts[part]) }
    }

    /// Into a graph that has not run yet: what it knows of its inputs' event time, from a graph with state `tree` that has read as far. `scans[i]` is
    /// the number of scan i there; nil where there is none. `other` must not have run either; it is of no use afterwards.
    package func restoreScans(from tree: StateTree<Buffer>, of other: DataflowGraph, scans numbers: [Int?]) throws(StateError) {
        guard tree.graph.parts.count == 1 else { throw StateError(message: "made by another plan", offset: 0) }
        try other.read(-1, 0, from: tree.graph.parts[0])
        for (scan, number) in numbers.enumerated() {
            if let number, trackers[scan].hasWatermark == other.trackers[number].hasWatermark { trackers[scan] = other.trackers[number] }
        }
        valuesAreOut = valuesAreOut || other.valuesAreOut
        outputWatermark = max(outputWatermark, other.outputWatermark)
    }

    /// The graph's own part, as another graph of the same plan has it.
    package func restoreOwn(from tree: StateTree<Buffer>) throws(StateError) {
        guard tree.graph.parts.count == 1 else { throw StateError(message: "made by another plan", offset: 0) }
        try read(-1, 0, from: tree.graph.parts[0])
    }

    fileprivate func write(_ stage: Int, _ part: Int, to writer: inout StateWriter) {
        if stage < 0 {
            writeGraph(to: &writer)
        } else if part == 0 {
            writeShared(stage, to: &writer)
        } else {
            stages[stage].write(part: part - 1, to: &writer)
        }
    }

    fileprivate func read(_ stage: Int, _ part: Int, named name: String? = nil, from stored: StateTree<Buffer>.Part) throws(StateError) {
        var reader = StateReader(StoredPart(stored, captures[stage + 1][part]))
        if stage < 0 {
            try readGraph(from: &reader)
        } else if part == 0 {
            try readShared(stage, named: name, from: &reader)
        } else {
            try stages[stage].read(part: part - 1, from: &reader)
        }
        guard reader.remaining == 0 else { throw reader.failure("\(reader.remaining) bytes too many") }
    }
}

/// Something to do for every part, and what came of it.
private final class PartWork<Result: Sendable>: @unchecked Sendable {
    // Safe to share: each part, and its place among the results, is touched by one thread; parts of a stage share nothing that is written.
    let graph: DataflowGraph
    /// Stage -1 is the graph itself; part 0 of a stage is what its partitions share.
    let items: [(stage: Int, part: Int)]
    let results: UnsafeMutableBufferPointer<Result?>

    init(_ graph: DataflowGraph) {
        self.graph = graph
        items = [(-1, 0)] + graph.captures.indices.dropFirst().flatMap { stage in graph.captures[stage].indices.map { (stage - 1, $0) } }
        results = .allocate(capacity: items.count)
        results.initialize(repeating: nil)
    }

    deinit {
        results.deinitialize()
        results.deallocate()
    }
}
