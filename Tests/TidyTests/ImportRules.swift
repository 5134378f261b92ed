/// Who may import what (docs/ARCHITECTURE.md says why). SwiftPM does not refuse an undeclared import reliably,
/// and it knows nothing of Foundation or Glibc, so a test reads the sources.
enum ImportRules {
    private static let collections: Set<String> = [
        "Collections", "BitCollections", "DequeModule", "HashTreeCollections", "HeapModule", "OrderedCollections",
    ]
    /// Functions of numbers alone, one by one: `import func Glibc.pow` brings nothing else of the C library.
    private static let mathematics: Set<String> = ["Glibc.pow", "Glibc.exp", "Glibc.exp2", "Glibc.log", "Glibc.log2"]
    /// What a shell at the edge may take from the system and the toolchain.
    private static let system: Set<String> = ["Foundation", "FoundationEssentials", "Glibc", "Synchronization"]
    private static let command: Set<String> = ["ArgumentParser", "Logging", "Shell"]

    /// Each folder of Sources with the modules that it may import. The first six decide and compute: no clock, no
    /// file, no socket is in their reach. FoundationNetworking (an HTTP client) is in nobody's.
    static let allowed: [String: Set<String>] = [
        "Base": [],
        "Tensors": [],
        "Planning": mathematics.union(["Base"]),
        "Wire": collections.union(mathematics).union(["Base", "CWire", "CZstd", "CChecksum", "Tensors"]),
        "Cluster": collections.union(mathematics).union(["Base", "Planning", "Wire", "Tensors"]),
        "Simulator": collections.union(mathematics).union(["Base", "Cluster", "Planning", "Wire", "Tensors"]),

        "Files": ["Glibc"],
        // The only user of Landlock and seccomp.
        "Confinement": ["CLinux", "Glibc"],
        "Loops": collections.union(["Base", "CLinux", "Files", "Glibc", "Synchronization"]),
        // The only user of CTLS: nobody else speaks TLS or derives keys. Files to read keys with.
        "Transport": ["Base", "CLinux", "CTLS", "Files", "Loops", "Wire", "Tensors", "Glibc", "Synchronization"],
        "Hosting": ["Base", "Cluster", "Loops", "Transport", "Wire", "Tensors", "Synchronization"],
        "Inference": system.union(["CTorch", "CCrypto", "Base", "Tensors"]),
        "Resources": system.union(["Base"]),
        // Loops for the thread that logs, Transport for the health check.
        "Shell": system.union([
            "ArgumentParser", "Logging", "Base", "Cluster", "Files", "Planning", "Loops", "Transport", "Wire", "Tensors",
        ]),
        "Profiling": system.union([
            "CLinux", "Arrays", "Base", "Cluster", "Confinement", "Files", "Planning", "Inference", "Shell", "Wire", "Tensors",
        ]),
        "History": system.union(["GRDB", "Base", "Cluster", "Loops", "Wire"]),
        "Arrays": system.union(["CZlib", "Base", "Files", "Tensors"]),
        // No file, no clock: what comes over HTTP, as values. zlib for bodies that are compressed.
        "OpenInference": ["CZlib", "Base", "Tensors"],
        "Images": system.union(["CImages", "Base", "Tensors"]),
        "Topology": system.union(["Base", "Shell", "CYaml"]),
        // The only user of Hummingbird and NIOSSL; the coordinator alone links it. Transport for the text of keys and for bytes that nobody may
        // see, Files to read them with.
        "Gateway": system.union([
            "Hummingbird", "HummingbirdCore", "HummingbirdTLS", "HTTPTypes", "NIOCore", "NIOPosix", "NIOHTTPTypes", "NIOSSL",
            "ServiceLifecycle", "Logging", "Base", "Files", "Shell", "Cluster", "Images", "OpenInference", "Planning", "Tensors",
            "Transport",
            "Wire",
        ]),

        "Client": system.union(["Base", "Cluster", "Hosting", "Loops", "Transport", "Wire", "Tensors"]),
        "Coordinator": system.union(command).union([
            "Base", "Cluster", "Files", "Hosting", "Planning", "Loops", "Transport", "Wire", "Tensors", "Inference", "Profiling",
            "Resources", "History", "Topology", "Gateway",
        ]),
        "Worker": system.union(command).union([
            "Base", "Cluster", "Confinement", "Files", "Hosting", "Loops", "Transport", "Wire", "Tensors", "Inference", "Resources",
        ]),
        // No libtorch: a container's engine starts it every few seconds.
        "Check": ["ArgumentParser", "Base", "Shell"],
        "CLI": system.union(command).union([
            // A bench takes Ctrl-C while it runs.
            "Dispatch",
            "AMP4ECClient", "Base", "Cluster", "Files", "Planning", "Inference", "Profiling", "Resources", "Arrays", "Images",
            "Wire",
            "Tensors",
            // `amp4ec simulate`.
            "Simulator",
            // `amp4ec secret`: keys and their files.
            "Transport",
        ]),
    ]

    private static let attributes: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private", "@preconcurrency", "@_exported", "@_implementationOnly",
        "@testable", "@_spi",
    ]
    private static let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]

    /// One import declaration: `import func Glibc.pow` has the name `Glibc.pow` and the module `Glibc`.
    struct Import {
        let line: Int
        let attributes: [Substring]
        let name: String
        var module: String { String(name.prefix(while: { $0 != "." })) }
    }

    static func imports(of file: SourceFile) -> [Import] {
        file.lines.enumerated().compactMap { index, line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let position = words.firstIndex(of: "import"), words[..<position].allSatisfy(attributes.contains) else {
                return nil
            }
            let rest = words[(position + 1)...].drop(while: kinds.contains)
            guard let name = rest.first?.prefix(while: { $0 != ";" }) else { return nil }
            return Import(line: index + 1, attributes: Array(words[..<position]), name: String(name))
        }
    }

    /// A file imports only what the table gives its folder, and a folder without a row gets one with its first file.
    static func order(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, let folder = file.module(below: "Sources") else { return [] }
        guard let allowed = allowed[folder] else {
            return [Violation(path: file.path, line: 1, message: "Sources/\(folder) has no row in ImportRules.allowed")]
        }
        return imports(of: file).filter { !allowed.contains($0.module) && !allowed.contains($0.name) }.map {
            Violation(
                path: file.path, line: $0.line,
                message: "\(folder) may not import \($0.name); allowed: \(allowed.sorted().joined(separator: ", "))")
        }
    }

    /// A C module stays inside the module that wraps it: it is never part of a public interface.
    static func wrapping(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.module(below: "Sources") != nil else { return [] }
        return imports(of: file).compactMap { item in
            let module = item.module
            let isC = module.first == "C" && module.dropFirst().first?.isUppercase == true && module != "CLI"
            guard isC, !item.attributes.allSatisfy({ $0 == "internal" || $0 == "private" }) else { return nil }
            return Violation(path: file.path, line: item.line, message: "\(module) is C: import it internally and wrap it once")
        }
    }

    /// Tests use Swift Testing and the public interface: the release build that they share has no testable imports.
    static func testing(_ file: SourceFile) -> [Violation] {
        guard file.isSwift else { return [] }
        return imports(of: file).compactMap { item in
            if item.module == "XCTest" {
                return Violation(path: file.path, line: item.line, message: "use Swift Testing, not XCTest")
            }
            if item.attributes.contains("@testable") {
                return Violation(path: file.path, line: item.line, message: "test what is public or package, without @testable")
            }
            return nil
        }
    }
}
