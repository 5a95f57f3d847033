// Fuzzer: damages good inputs, from a seed, in ways that know something of their structure, and watches what is done with them.
//
// One execution: take a good input (or one of the corpus), change it in one to a few places, let the target repair its checksums most of the
// time (so that the damage gets past them), run the target. A target throws for whatever is wrong with the input; a trap ends the process, and the
// scratch file of the target then holds the input that did it. An execution may take a second and the process may not grow by more than 256 MiB.

import Foundation
import Platform
import XCTest

enum FuzzRunner {
    static let environment = ProcessInfo.processInfo.environment
    /// Multiplies the runs of every target: 60 gives about a million executions.
    static let factor = environment["MILLRACE_FUZZ"].flatMap { Int($0) } ?? 1
    static let seed = environment["MILLRACE_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Corpus")

    /// Inputs that once did harm, by target.
    static func corpus(of target: any FuzzTarget) -> [[UInt8]] {
        let folder = corpus.appendingPathComponent(target.name)
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
        return names.compactMap { try? Data(contentsOf: folder.appendingPathComponent($0)) }.map { Array($0) }
    }

    static func run(_ target: any FuzzTarget) {
        let scratch = Scratch(target.name)
        let good = target.inputs
        for input in good {
            do { try execute(target, input, scratch) } catch { XCTFail("\(target.name): a good input is refused: \(error)") }
        }
        let kept = corpus(of: target)
        for input in kept {
            do { try execute(target, input, scratch) } catch let flaw as Flaw { XCTFail("\(target.name), corpus: \(flaw)") } catch {}
        }
        let pool = good + kept
        guard !pool.isEmpty else { return XCTFail("\(target.name) has no inputs") }
        let memoryBefore = residentByteCount()
        var mutator = Mutator(random: SeededRandom(seed: seed))
        var refused = 0
        var flaws = 0
        let runs = target.runs * factor
        for number in 0..<runs {
            let input = pool[mutator.random.below(pool.count)]
            var bytes =
                target.change(input, &mutator.random)
                ?? mutator.mutate(input, words: target.words, other: pool[mutator.random.below(pool.count)])
            if mutator.random.below(5) > 0 { target.repair(&bytes) }
            do {
                try execute(target, bytes, scratch)
            } catch let flaw as Flaw {
                flaws += 1
                let file = scratch.keep(number)
                XCTFail("\(target.name), run \(number) of seed \(seed): \(flaw) (the input is \(file); put it into Tests/FuzzTests/Corpus/\(target.name))")
                if flaws >= 3 { break }
            } catch { refused += 1 }
            if number % 1_024 == 0, residentByteCount() - memoryBefore > 256 << 20 {
                XCTFail("\(target.name): more than 256 MiB of memory by run \(number) of seed \(seed)")
                break
            }
        }
        print("fuzz \(target.name): \(runs) runs, \(refused) refused")
    }

    private static func execute(_ target: any FuzzTarget, _ bytes: [UInt8], _ scratch: Scratch) throws {
        scratch.note(bytes)
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        defer {
            let elapsed = clock.monotonicNanoseconds() - start
            // On a busy machine a run is repeated before it counts as slow.
            if elapsed > 1_000_000_000 {
                let again = clock.monotonicNanoseconds()
                try? target.run(bytes)
                let second = clock.monotonicNanoseconds() - again
                if second > 1_000_000_000 { XCTFail("\(target.name): a run took \(second / 1_000_000) ms (the input is \(scratch.keep(-1)))") }
            }
        }
        try target.run(bytes)
    }

    static func residentByteCount() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let words = text.split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * 4_096 : 0
    }

    /// A mapped file with the input that is being tried: what is left when the process dies of it.
    private final class Scratch {
        private let path: String
        private let memory: UnsafeMutableRawPointer?
        private static let byteCount = 8 + (1 << 17)

        init(_ name: String) {
            path = NSTemporaryDirectory() + "millrace-fuzz-\(name)-\(ProcessInfo.processInfo.processIdentifier)"
            let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
            _ = ftruncate(descriptor, off_t(Self.byteCount))
            let mapped = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
            memory = mapped == MAP_FAILED ? nil : mapped
            close(descriptor)
        }

        deinit {
            if let memory { munmap(memory, Self.byteCount) }
            unlink(path)
        }

        /// The first 8 bytes are the length.
        func note(_ bytes: [UInt8]) {
            guard let memory, bytes.count <= Self.byteCount - 8 else { return }
            memory.storeBytes(of: UInt64(bytes.count), as: UInt64.self)
            bytes.withUnsafeBytes { (memory + 8).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count) }
        }

        func keep(_ number: Int) -> String {
            guard let memory else { return "lost" }
            let count = Int(memory.load(as: UInt64.self))
            let file = path + "-\(number)"
            FileManager.default.createFile(atPath: file, contents: Data(bytes: memory + 8, count: count))
            return file
        }
    }
}
