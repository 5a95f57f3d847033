// The targets of Tests/FuzzTests for libFuzzer, which guides its mutations by the code they reach: see fuzz.sh. MILLRACE_FUZZ_TARGET names one.

import Foundation
import Platform

private func makeTarget(_ name: String) -> (any FuzzTarget)? {
    do {
        switch name {
        case "json": return JSONTarget()
        case "csv": return CSVTarget()
        case "segment": return try SegmentTarget()
        case "epochs": return try EpochLogTarget()
        case "catalog": return try CatalogTarget()
        case "sql": return try QueryTarget()
        default:
            guard let query = CheckpointTarget.queries.first(where: { "checkpoint-" + $0.name == name }) else { return nil }
            return try CheckpointTarget(query)
        }
    } catch {
        print("target \(name) cannot be made: \(error)")
        return nil
    }
}

private nonisolated(unsafe) let target: any FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["MILLRACE_FUZZ_TARGET"] ?? "json"
    guard let made = makeTarget(name) else {
        print("there is no target \(name)")
        exit(2)
    }
    // The good inputs, for the corpus that libFuzzer begins with.
    if let folder = ProcessInfo.processInfo.environment["MILLRACE_FUZZ_INPUTS"] {
        for (number, input) in made.inputs.enumerated() {
            FileManager.default.createFile(atPath: folder + "/good-\(number)", contents: Data(input))
        }
    }
    return made
}()

@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutablePointer<Int32>?, _ arguments: UnsafeMutableRawPointer?) -> Int32 {
    _ = target.name
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var bytes = Array(UnsafeBufferPointer(start: start, count: count))
    // The last bit of the input's length decides whether checksums are put right: both ways are reached.
    if count % 4 != 0 { target.repair(&bytes) }
    do {
        try target.run(bytes)
    } catch let flaw as Flaw {
        print("flaw: \(flaw)")
        abort()
    } catch {}
    return 0
}
