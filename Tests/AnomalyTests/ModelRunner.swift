import XCTest

@testable import Anomaly

/// One key's model and state, fed point by point.
final class ModelRunner {
    let model: AnomalyModel
    let state: UnsafeMutableRawPointer

    init(_ model: AnomalyModel) {
        self.model = model
        state = UnsafeMutableRawPointer.allocate(byteCount: model.stateByteCount, alignment: 64)
        // Whatever the bytes held before.
        state.initializeMemory(as: UInt8.self, repeating: 0xA5, count: model.stateByteCount)
        model.start(state)
    }

    convenience init(_ name: String, columns: Int = 1, _ settings: [String: Double] = [:]) throws {
        let function = try XCTUnwrap(ModelFunction.named(name))
        for key in settings.keys { XCTAssertTrue(function.parameters.contains { $0.name == key }, key) }
        self.init(try function.make(columns, function.parameters.map { settings[$0.name] ?? $0.standard }))
    }

    deinit { state.deallocate() }

    @discardableResult
    func step(_ values: [Double], at time: Int64 = 0) -> [Double] {
        precondition(values.count == model.valueCount)
        // Guards on both sides of what the model may write.
        var outputs = [Double](repeating: 12345, count: model.outputCount + 2)
        outputs.withUnsafeMutableBufferPointer {
            model.step(state, timeMicroseconds: time, values: values, outputs: $0.baseAddress! + 1)
        }
        precondition(outputs[0] == 12345 && outputs[model.outputCount + 1] == 12345)
        return Array(outputs[1...model.outputCount])
    }

    @discardableResult
    func step(_ value: Double, at time: Int64 = 0) -> [Double] { step([value], at: time) }

    var bytes: [UInt8] {
        get { Array(UnsafeRawBufferPointer(start: state, count: model.stateByteCount)) }
        set { newValue.withUnsafeBytes { state.copyMemory(from: $0.baseAddress!, byteCount: model.stateByteCount) } }
    }
}

/// Deterministic random numbers for tests.
struct TestRandom {
    var mix: SplitMix
    init(_ seed: UInt64) { mix = SplitMix(state: seed) }
    mutating func unit() -> Double { Double(mix.bits() >> 11) * 0x1p-53 }
    mutating func below(_ count: Int) -> Int { mix.below(count) }
    /// Roughly normal.
    mutating func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + unit() } }
}

func bits(_ numbers: [Double]) -> [UInt64] { numbers.map { $0.isNaN ? 0x7FF8_0000_0000_0000 : $0.bitPattern } }
