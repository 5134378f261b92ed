// swift-tools-version: 6.2
// One package: four executables (coordinator, worker, command, health check), the client library, and the pure modules under them.
// libtorch is found in $LIBTORCH, else in .libtorch/ beside this file (`make setup` puts it there).
import PackageDescription

let packageDirectory = Context.packageDirectory
let libtorch = Context.environment["LIBTORCH"] ?? "\(packageDirectory)/.libtorch"

let swift: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Executables that reach libtorch look for it beside themselves first (an installed tarball), then where they were built; those
/// that `scripts/dist` builds know nothing of the machine that built them.
let isForDistribution = Context.environment["AMP4EC_DIST"] == "1"
/// `-static-stdlib` for the link alone (`--static-swift-stdlib` would compile all of it again), with the libraries under Foundation, which the
/// compiler names only for a program that is compiled so.
let staticLinks =
    ["-static-stdlib"]
    + ["FoundationInternationalization", "_FoundationCollections", "_FoundationCShims", "CoreFoundation", "_FoundationICU"].map {
        "-l\($0)"
    }
let installedLinks: [LinkerSetting] = [
    .unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib"] + (isForDistribution ? staticLinks : []))
]
let torchLinks: [LinkerSetting] =
    [.unsafeFlags(["-L\(libtorch)/lib"])] + installedLinks
    + (isForDistribution ? [] : [.unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", "\(libtorch)/lib"])])

func pure(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swift)
}

/// What is tested is optimised; the tests themselves need not be, and take the compiler a third of the time so.
/// - Parameter computes: they do much work of their own: made-up data, exhaustive search.
func tests(
    _ name: String, _ dependencies: [Target.Dependency], computes: Bool = false, exclude: [String] = []
) -> Target {
    let plain: [SwiftSetting] = computes ? [] : [.unsafeFlags(["-Onone"], .when(configuration: .release))]
    return .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swift + plain)
}

let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
/// Hummingbird, and of what it stands on the types that its interface is written in.
let http: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "HummingbirdTLS", package: "hummingbird"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
]

let package = Package(
    name: "amp4ec",
    products: [
        .executable(name: "amp4ec-coordinator", targets: ["Coordinator"]),
        .executable(name: "amp4ec-worker", targets: ["Worker"]),
        .executable(name: "amp4ec", targets: ["CLI"]),
        .executable(name: "amp4ec-check", targets: ["Check"]),
        // With the modules whose types stand in its interface.
        .library(name: "AMP4ECClient", targets: ["AMP4ECClient", "Base", "Tensors", "Cluster", "Wire"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        // Without its traits: neither swift-configuration nor the whole of Foundation.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
        // SQLite for the coordinator's history.
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // C: system libraries, generated code, and the shim over libtorch.
        .systemLibrary(name: "CZstd", path: "Sources/C/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CChecksum", path: "Sources/C/CChecksum", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CCrypto", path: "Sources/C/CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // The kernel's interfaces that Swift's Glibc module leaves out (epoll, eventfd, signalfd): headers only.
        .systemLibrary(name: "CLinux", path: "Sources/C/CLinux"),
        .systemLibrary(name: "CZlib", path: "Sources/C/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CTLS", path: "Sources/C/CTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CImages", path: "Sources/C/CImages", linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("spng")]),
        .target(name: "CWire", path: "Sources/C/CWire", linkerSettings: [.linkedLibrary("protobuf-c")]),
        .target(
            name: "CTorch", path: "Sources/C/CTorch",
            cxxSettings: [
                .unsafeFlags([
                    "-isystem", "\(libtorch)/include",
                    "-isystem", "\(libtorch)/include/torch/csrc/api/include",
                ])
            ],
            linkerSettings: [.linkedLibrary("torch"), .linkedLibrary("torch_cpu"), .linkedLibrary("c10")]),

        // Pure: no sockets, no clock, no libtorch.
        pure("Base"),
        pure("Tensors"),
        pure("Planning", ["Base"]),
        pure("Wire", ["Base", "CWire", "CZstd", "CChecksum", "Tensors", collections]),
        pure("Cluster", ["Base", "Planning", "Wire", "Tensors", collections]),
        pure("Simulator", ["Base", "Cluster", "Planning", "Wire", "Tensors", collections]),

        // Edges.
        pure("Files"),
        // The only user of the kernel's Landlock and seccomp.
        pure("Confinement", ["CLinux"]),
        pure("Loops", ["Base", "Files", "CLinux", collections]),
        pure("Transport", ["Base", "Files", "Loops", "Wire", "Tensors", "CLinux", "CTLS"]),
        .target(
            name: "Inference", dependencies: ["CTorch", "CCrypto", "Base", "Tensors"], swiftSettings: swift,
            linkerSettings: torchLinks),
        pure("Shell", ["Base", "Files", "Cluster", "Planning", "Loops", "Transport", "Wire", "Tensors", arguments, logging]),
        pure("Topology", ["Base", "Shell", yams]),
        pure("Arrays", ["Base", "Files", "Tensors", "CZlib"]),
        // The Open Inference Protocol's requests and answers; its bodies may be compressed.
        pure("OpenInference", ["Base", "Tensors", "CZlib"]),
        pure("Resources", ["Base"]),
        // What runs a machine on a loop, in the coordinator, the workers and the client.
        pure("Hosting", ["Base", "Cluster", "Loops", "Transport", "Wire", "Tensors"]),
        pure("Images", ["Base", "Tensors", "CImages"]),

        // The coordinator's HTTP server, the only user of Hummingbird.
        .target(
            name: "Gateway",
            dependencies: [
                "Base", "Cluster", "Files", "Images", "OpenInference", "Planning", "Shell", "Tensors", "Transport", "Wire", logging,
            ] + http,
            // The dashboard's files, and the server's own description: none is read when it runs.
            resources: [.embedInCode("Dashboard/Page"), .embedInCode("OpenAPI/openapi.json")], swiftSettings: swift),

        pure("History", ["Base", "Cluster", "Loops", "Wire", grdb]),
        pure(
            "Profiling",
            ["Base", "Arrays", "Confinement", "Files", "Cluster", "Planning", "Inference", "Shell", "Wire", "Tensors", "CLinux"]),

        // Products.
        .executableTarget(
            name: "Coordinator",
            dependencies: [
                "Base", "Files", "Cluster", "Hosting", "Planning", "Loops", "Transport", "Wire", "Tensors", "Inference",
                "Profiling",
                "Resources", "Shell", "History", "Topology", "Gateway", arguments, logging,
            ],
            swiftSettings: swift),
        .executableTarget(
            name: "Worker",
            dependencies: [
                "Base", "Confinement", "Files", "Cluster", "Hosting", "Loops", "Transport", "Wire", "Tensors", "Inference",
                "Resources", "Shell", arguments, logging,
            ],
            swiftSettings: swift),
        .executableTarget(
            name: "Check", dependencies: ["Base", "Shell", arguments], swiftSettings: swift, linkerSettings: installedLinks),
        .target(
            name: "AMP4ECClient", dependencies: ["Base", "Cluster", "Hosting", "Loops", "Transport", "Wire", "Tensors"],
            path: "Sources/Client",
            swiftSettings: swift),
        .executableTarget(
            name: "CLI",
            dependencies: [
                "AMP4ECClient", "Base", "Files", "Cluster", "Planning", "Inference", "Profiling", "Resources", "Arrays", "Images",
                "Tensors", "Shell", "Transport", "Wire", "Simulator", arguments, logging,
            ],
            swiftSettings: swift),

        .executableTarget(
            name: "EngineBench",
            dependencies: ["Base", "Inference", "Loops", "Planning", "Profiling", "Shell", "Tensors", "Wire", arguments],
            path: "Benchmarks/EngineBench", swiftSettings: swift),

        .executableTarget(
            name: "PlanningBench", dependencies: ["Base", "Planning"], path: "Benchmarks/PlanningBench", swiftSettings: swift),

        .executableTarget(
            name: "WireBench", dependencies: ["Base", "Tensors", "Wire"], path: "Benchmarks/WireBench", swiftSettings: swift),

        .executableTarget(
            name: "TransportBench", dependencies: ["Base", "Loops", "Tensors", "Transport", "Wire"],
            path: "Benchmarks/TransportBench", swiftSettings: swift),

        // Built with everything else, so that what the README and the library's documentation show compiles (DocumentationRules).
        .executableTarget(
            name: "SwiftClientExample", dependencies: ["AMP4ECClient", "Tensors"], path: "examples/swift-client/Sources/readings"),
        .target(
            name: "SwiftClientSnippets", dependencies: ["AMP4ECClient", "Base", "Cluster", "Tensors", "Wire"],
            path: "examples/swift-client/Sources/snippets", swiftSettings: swift),

        // What the parsers of outside bytes are tested with, by scripts/fuzz-inputs and, with the kept inputs, by the tests.
        .target(
            name: "FuzzBodies",
            dependencies: [
                "Arrays", "Base", "Images", "Inference", "OpenInference", "Shell", "Tensors", "Topology", "Transport", "Wire",
            ],
            path: "Fuzz/Bodies",
            swiftSettings: swift),

        tests("CorpusTests", ["FuzzBodies"]),
        tests("BaseTests", ["Base"]),
        tests("FilesTests", ["Files"]),
        tests("ConfinementTests", ["Confinement", "Loops", "CLinux"]),
        tests("TensorsTests", ["Tensors", "Arrays", "Images", "CZlib"]),
        tests("OpenInferenceTests", ["OpenInference", "Tensors", "CZlib"], computes: true),
        tests("ShellTests", ["Base", "Shell", "Transport", "Wire", arguments, logging]),
        tests("TopologyTests", ["Base", "Topology", "Shell"]),
        tests("PlanningTests", ["Base", "Planning"], computes: true),
        tests("WireTests", ["Base", "Wire", "Tensors", "CZstd"], computes: true),
        tests("LoopsTests", ["Base", "Loops"]),
        tests("TransportTests", ["Base", "Loops", "Transport", "Hosting", "Cluster", "Planning", "Shell", "Wire", "Tensors"]),
        tests("InferenceTests", ["Inference", "Tensors"]),
        tests("MachineTests", ["Base", "Cluster", "Planning", "Wire", "Tensors", "Simulator"]),
        tests("SimulationTests", ["Base", "Cluster", "Simulator"]),
        tests(
            "CoordinatorTests",
            [
                "Base", "Coordinator", "Profiling", "Arrays", "Inference", "Cluster", "Loops", "Planning", "Tensors", "Wire",
                "Shell", "Topology", arguments,
            ]),
        // What the commands print, against docs/json.md.
        tests("CLITests", ["Base", "CLI", "Check", "Planning", "Shell", "Transport", arguments]),
        tests(
            "GatewayTests",
            ["Base", "Gateway", "Cluster", "OpenInference", "Planning", "Shell", "Tensors", "Wire", logging] + http),
        tests("HistoryTests", ["Base", "History", "Cluster", "Wire"]),
        tests("WorkerTests", ["Base", "Worker", "Resources", "Inference", "Wire", "Tensors"]),
        tests(
            "ClusterTests",
            ["Base", "AMP4ECClient", "Cluster", "Planning", "Arrays", "Tensors", "Wire", "Simulator", "Transport"]),
        // compose/ and deploy/ against the options of the programs.
        tests(
            "DeploymentTests",
            ["Base", "Check", "Coordinator", "Worker", "Topology", "Transport", "Shell", arguments, yams]),
        tests("TidyTests", []),
        // Mistakes that scripts/sanitize must see; skipped in other runs.
        tests("SanitizerTests", [], exclude: ["leaks.supp", "threads.supp"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)

// libFuzzer's library has the main function, so its program links with nothing but its own flags (scripts/fuzz-inputs).
if Context.environment["AMP4EC_FUZZ"] == "1" {
    package.targets.append(
        .executableTarget(
            name: "FuzzInputs", dependencies: ["FuzzBodies"], path: "Fuzz/Driver",
            swiftSettings: swift + [.unsafeFlags(["-parse-as-library"])]))
}

// Of the package only these test targets and what they stand on (scripts/sanitize): "WireTests,TransportTests".
if let names = Context.environment["AMP4EC_TESTS"] {
    var kept = Set(names.split(separator: ",").map(String.init))
    // Each target is found at the latest after as many steps as there are targets.
    for _ in package.targets {
        for target in package.targets where kept.contains(target.name) {
            for case .byNameItem(let name, _) in target.dependencies { kept.insert(name) }
        }
    }
    package.targets.removeAll { !kept.contains($0.name) }
    package.products = []
}

// The client library's documentation (scripts/docs) needs a plugin, and of the other packages the one that the library stands on. Nothing else
// does: an ordinary build neither fetches nor compiles the plugin.
if Context.environment["AMP4EC_DOCS"] == "1" {
    package.dependencies.removeAll { dependency in
        if case .sourceControl(_, let location, _) = dependency.kind { !location.hasSuffix("/swift-collections") } else { true }
    }
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
