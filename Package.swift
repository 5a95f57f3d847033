// swift-tools-version: 6.1
import PackageDescription

// Millrace has no package dependencies, by decision: Foundation-free where it can be, the toolchain's modules, and GNU
// readline for the prompt. The targets below are the stations of the one-way road described in ARCHITECTURE.md, in order:
// each may import only those listed before it.

let package = Package(
    name: "Millrace",
    products: [.executable(name: "millrace", targets: ["millrace"])],
    dependencies: [],
    targets: [
        // Header-only C: CRC32C by hardware, prefetch, and the few system calls that Swift cannot import.
        .target(name: "CMillrace"),
        .systemLibrary(name: "CReadline"),

        .target(name: "Platform", dependencies: ["CMillrace"]),
        .target(name: "Columns", dependencies: ["Platform"]),
        .target(name: "Syntax"),
        .target(name: "Anomaly", dependencies: ["CMillrace", "Platform"]),
        .target(name: "Planning", dependencies: ["Columns", "Syntax", "Anomaly"]),
        .target(name: "ShardLog", dependencies: ["Platform", "Columns"]),
        .target(name: "Dataflow", dependencies: ["Platform", "Columns", "Anomaly", "Planning"]),
        .target(name: "Engine", dependencies: ["Platform", "Columns", "Syntax", "Planning", "ShardLog", "Dataflow"]),
        .target(name: "Alerting", dependencies: ["CMillrace", "Platform", "Columns", "Syntax", "Engine"]),
        .target(name: "Gateway", dependencies: ["CMillrace", "Platform", "Columns", "Syntax", "Planning", "Engine", "Alerting"]),
        .executableTarget(name: "millrace", dependencies: ["Engine", "Alerting", "Gateway", "CReadline"]),

        .testTarget(name: "PlatformTests", dependencies: ["Platform"]),
        .testTarget(name: "ColumnsTests", dependencies: ["Columns"]),
        .testTarget(name: "SyntaxTests", dependencies: ["Syntax"]),
        .testTarget(name: "AnomalyTests", dependencies: ["Anomaly"]),
        .testTarget(name: "PlanningTests", dependencies: ["Planning"], exclude: ["Golden"]),
        .testTarget(name: "ShardLogTests", dependencies: ["ShardLog"]),
        .testTarget(name: "DataflowTests", dependencies: ["Dataflow"]),
        .testTarget(name: "EngineTests", dependencies: ["Engine"], exclude: ["golden", "statement_errors.txt"]),
        .testTarget(name: "AlertingTests", dependencies: ["Alerting", "Engine", "Platform", "Columns", "Syntax"]),
        .testTarget(name: "GatewayTests", dependencies: ["Gateway"]),
        // What several test targets compare the engine with: random queries and their meaning computed naively.
        .target(name: "OracleSupport", dependencies: ["Dataflow"], path: "Tests/OracleSupport"),
        .testTarget(name: "OracleTests", dependencies: ["Dataflow", "OracleSupport"]),
        .testTarget(name: "SimulationTests", dependencies: ["Engine", "OracleSupport"]),
        .testTarget(name: "FuzzTests", dependencies: ["Engine", "OracleSupport"], exclude: ["Corpus"]),
    ],
    swiftLanguageModes: [.v6]
)

// `Tests/Fuzzing/fuzz.sh` builds the targets of the seeded fuzzer for libFuzzer.
if Context.environment["MILLRACE_FUZZING"] != nil {
    package.targets.removeAll { $0.name == "FuzzTests" }
    package.products.append(.executable(name: "millrace-fuzz", targets: ["millrace-fuzz"]))
    package.targets.append(
        .executableTarget(
            name: "millrace-fuzz", dependencies: ["Engine", "OracleSupport"], path: "Tests",
            exclude: ["CommandTests", "FuzzTests/Corpus"],
            sources: [
                "Fuzzing/Fuzzing.swift", "FuzzTests/FuzzTarget.swift", "FuzzTests/TextTargets.swift", "FuzzTests/FileTargets.swift",
                "FuzzTests/QueryTarget.swift",
            ], swiftSettings: [.unsafeFlags(["-parse-as-library"])]))
}
