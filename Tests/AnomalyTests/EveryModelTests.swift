import XCTest

@testable import Anomaly

/// What every function promises: bounded outputs whatever comes, the same bits again from the same bytes, and no trap on bytes that pass.
final class EveryModelTests: XCTestCase {
    /// Settings small enough that states fill, slide and forget within a few hundred points.
    private static let settings: [String: [[String: Double]]] = [
        "anomaly": [[:]],
        "random_cut_forest": [
            ["trees": 5, "sample_size": 16, "shingle": 3], ["trees": 3, "sample_size": 32, "time_decay": 0.02, "seed": 7],
            ["trees": 2, "sample_size": 8, "time_decay": 0],
        ],
        "zscore": [["points": 10]], "mad_score": [["points": 10], ["points": 3]], "ewma_score": [["alpha": 0.1], ["alpha": 1]],
        "holt_winters": [["season_max": 20], ["season": 7], ["season": 1]],
        "seasonal_esd": [["points": 60], ["points": 48, "season": 6], ["points": 16, "max_anomalies": 0]],
        "change_point": [["runs": 8], ["run_length": 20, "within": 1]],
        "relative_entropy": [["window": 8, "bins": 3], ["window": 8, "bins": 2, "significance": 0.5]],
        "hotspots": [["window": 20, "minimum_points": 3], ["window": 20, "minimum_points": 3, "radius": 0]],
    ]

    private func forEachModel(_ body: (String, Int, [String: Double]) throws -> Void) rethrows {
        for function in ModelFunction.all {
            for settings in EveryModelTests.settings[function.name] ?? [] {
                for columns in Set([function.valueCount.lowerBound, min(2, function.valueCount.upperBound)]).sorted() {
                    try body(function.name, columns, settings)
                }
            }
        }
    }

    private func values(_ kind: Int, _ count: Int, _ columns: Int, _ random: inout TestRandom) -> [[Double]] {
        let special = [Double.nan, .infinity, -.infinity, 1e308, -1e308, 0, -0.0, 5e-324, 1e-300, 1, -1, 1e37, 3.4e38, 1e150, -1e160]
        return (0..<count).map { row in
            (0..<columns).map { _ in
                switch kind {
                case 0: return random.normal()
                case 1: return random.below(4) == 0 ? special[random.below(special.count)] : random.normal()
                case 2: return special[random.below(special.count)]
                case 3: return 42
                case 4: return row < count / 2 ? 0 : 1e308
                case 5: return Double(random.below(3))
                default: return Double(row % 12) * 10 + random.unit()
                }
            }
        }
    }

    func testSettingsCoverEveryFunction() {
        XCTAssertEqual(Set(ModelFunction.all.map(\.name)), Set(EveryModelTests.settings.keys))
        XCTAssertEqual(Set(ModelFunction.all.map(\.name)).count, ModelFunction.all.count)
    }

    func testDescriptionsAreConsistent() throws {
        for function in ModelFunction.all {
            for columns in Set([function.valueCount.lowerBound, function.valueCount.upperBound]) {
                let model = try function.make(columns, function.parameters.map(\.standard))
                XCTAssertEqual(model.valueCount, columns)
                let expected = function.outputs.reduce(0) { $0 + ($1.kind == .doublePerColumn ? columns : 1) }
                XCTAssertEqual(model.outputCount, expected, function.name)
                XCTAssertEqual(model.stateByteCount % 16, 0)
            }
            for parameter in function.parameters where !parameter.standard.isNaN {
                switch parameter.kind {
                case .integer(let range), .interval(let range): XCTAssertTrue(range.contains(Int64(parameter.standard)), parameter.name)
                case .number(let range): XCTAssertTrue(range.contains(parameter.standard), parameter.name)
                }
            }
        }
    }

    /// Both ends of every parameter's range must make a model or a ModelError, not a trap.
    func testEndsOfRanges() throws {
        for function in ModelFunction.all {
            for (at, parameter) in function.parameters.enumerated() {
                var ends: [Double]
                switch parameter.kind {
                case .integer(let range), .interval(let range): ends = [Double(range.lowerBound), Double(range.upperBound)]
                case .number(let range): ends = [range.lowerBound, range.upperBound]
                }
                for end in ends {
                    var parameters = function.parameters.map(\.standard)
                    parameters[at] = end
                    guard let model = make(function, parameters) else { continue }
                    let runner = ModelRunner(model)
                    for row in 0..<40 { runner.step([Double](repeating: Double(row % 5), count: model.valueCount)) }
                    XCTAssertTrue(model.isSound(runner.state), "\(function.name) \(parameter.name) \(end)")
                }
            }
        }
    }

    /// Nil where the model refuses with a message.
    private func make(_ function: ModelFunction, _ parameters: [Double]) -> AnomalyModel? {
        do {
            return try function.make(function.valueCount.lowerBound, parameters)
        } catch {
            XCTAssertFalse(error.message.isEmpty)
            return nil
        }
    }

    func testOutputsAreFiniteOrNullWhateverComes() throws {
        try forEachModel { name, columns, settings in
            for kind in 0..<7 {
                var random = TestRandom(UInt64(kind))
                let runner = try ModelRunner(name, columns: columns, settings)
                for (row, point) in values(kind, 400, columns, &random).enumerated() {
                    let outputs = runner.step(point, at: Int64(row) * 900_000_000)
                    for (index, output) in outputs.enumerated() {
                        XCTAssertFalse(output.isInfinite, "\(name) \(settings) kind \(kind) row \(row) output \(index) \(point)")
                    }
                    if point.contains(where: { !$0.isFinite }) { XCTAssertTrue(outputs[0].isNaN, name) }
                }
                XCTAssertTrue(runner.model.isSound(runner.state), "\(name) \(settings) kind \(kind)")
            }
        }
    }

    /// With ordinary values, a score comes for every point once a model has warmed up.
    func testScoresComeAlways() throws {
        try forEachModel { name, columns, settings in
            for kind in [0, 3, 5, 6] {
                var random = TestRandom(UInt64(kind))
                let runner = try ModelRunner(name, columns: columns, settings)
                for (row, point) in values(kind, 400, columns, &random).enumerated() {
                    let outputs = runner.step(point, at: Int64(row) * 900_000_000)
                    if row > 130 { XCTAssertFalse(outputs[0].isNaN, "\(name) \(settings) kind \(kind) row \(row)") }
                }
            }
        }
    }

    func testANullLeavesTheOtherPointsAsTheyWere() throws {
        // Models with a season advance it on a NULL, by decision.
        for name in ModelFunction.all.map(\.name) where !["holt_winters", "seasonal_esd"].contains(name) {
            for settings in EveryModelTests.settings[name] ?? [] {
                var random = TestRandom(3)
                let plain = try ModelRunner(name, settings)
                let gappy = try ModelRunner(name, settings)
                for (row, point) in values(0, 300, 1, &random).enumerated() {
                    let time = Int64(row) * 900_000_000
                    if row % 7 == 3 { XCTAssertTrue(gappy.step(.nan, at: time).allSatisfy(\.isNaN)) }
                    XCTAssertEqual(bits(plain.step(point, at: time)), bits(gappy.step(point, at: time)), "\(name) row \(row)")
                }
            }
        }
    }

    func testSavedBytesGoOnAsIfNothingHadHappened() throws {
        try forEachModel { name, columns, settings in
            for kind in [0, 1, 5, 6] {
                var random = TestRandom(UInt64(10 + kind))
                let points = values(kind, 300, columns, &random)
                let one = try ModelRunner(name, columns: columns, settings)
                for split in [0, 1, 37, 150] {
                    let whole = try ModelRunner(name, columns: columns, settings)
                    for row in 0..<split { whole.step(points[row], at: Int64(row) * 900_000_000) }
                    let restored = ModelRunner(one.model)
                    restored.bytes = whole.bytes
                    XCTAssertTrue(restored.model.isSound(restored.state))
                    for row in split..<300 {
                        let time = Int64(row) * 900_000_000
                        XCTAssertEqual(bits(whole.step(points[row], at: time)), bits(restored.step(points[row], at: time)), name)
                    }
                    XCTAssertEqual(whole.bytes, restored.bytes, "\(name) \(settings): state bytes")
                }
            }
        }
    }

    func testExtremeTimes() throws {
        for name in ModelFunction.all.map(\.name) {
            let runner = try ModelRunner(name, EveryModelTests.settings[name]?.first ?? [:])
            for time in [Int64.min, Int64.min + 1, -1, 0, 1, 86_400_000_000, .max - 1, .max] {
                for value in [1.0, 2, 3] { runner.step(value, at: time) }
                XCTAssertTrue(runner.model.isSound(runner.state), "\(name) \(time)")
            }
        }
    }

    /// Flipped and overwritten bytes: either isSound says no, or the model goes on without a trap and stays sound.
    func testDamagedBytesNeverTrap() throws {
        let rounds = Int(ProcessInfo.processInfo.environment["MILLRACE_FUZZ"] ?? "") ?? 1
        var passed: [String: Int] = [:]
        var refused: [String: Int] = [:]
        try forEachModel { name, columns, settings in
            var random = TestRandom(99)
            let runner = try ModelRunner(name, columns: columns, settings)
            let points = values(1, 150, columns, &random)
            for (row, point) in points.enumerated() { runner.step(point, at: Int64(row) * 900_000_000) }
            let good = runner.bytes
            for round in 0..<(300 * rounds) {
                var bad = good
                switch round % 4 {
                case 0: bad[random.below(bad.count)] ^= UInt8(1 << random.below(8))
                case 1: bad[random.below(min(bad.count, 200))] = UInt8(random.below(256))
                case 2:
                    let at = random.below(bad.count / 8) * 8
                    for index in 0..<8 { bad[at + index] = [0, 0xFF, 0x7F, 0x80][random.below(4)] }
                default:
                    let at = random.below(bad.count)
                    for index in at..<min(bad.count, at + random.below(64)) { bad[index] = UInt8(random.below(256)) }
                }
                runner.bytes = bad
                guard runner.model.isSound(runner.state) else {
                    refused[name, default: 0] += 1
                    continue
                }
                passed[name, default: 0] += 1
                for (row, point) in points.prefix(60).enumerated() { runner.step(point, at: Int64(150 + row) * 900_000_000) }
            }
        }
        for function in ModelFunction.all {
            XCTAssertGreaterThan(passed[function.name] ?? 0, 0, function.name)
            // Nothing in its state is an index.
            if function.name != "ewma_score" { XCTAssertGreaterThan(refused[function.name] ?? 0, 0, function.name) }
        }
    }

    func testZeroBytesAreRefusedOrHarmless() throws {
        try forEachModel { name, columns, settings in
            let runner = try ModelRunner(name, columns: columns, settings)
            for byte: UInt8 in [0, 0xFF, 0x55] {
                runner.bytes = [UInt8](repeating: byte, count: runner.model.stateByteCount)
                guard runner.model.isSound(runner.state) else { continue }
                for row in 0..<50 { runner.step([Double](repeating: Double(row), count: columns)) }
            }
        }
    }
}
