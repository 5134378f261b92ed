/// The floors of the house: a module imports from floors below its own, never from its own or one above.
///
/// The table of `ImportRules` says who may import whom; this says why nobody needs to look for a circle in it.
enum FloorRules {
    struct Floor: Sendable {
        let name: String
        /// Folders of Sources. The C modules are below all of them and have no floor: each is imported by the one that wraps it.
        let folders: [String]
    }

    /// The lowest first.
    static let floors = [
        Floor(name: "ground", folders: ["Base", "Files", "Confinement"]),
        Floor(name: "values", folders: ["Tensors", "Planning", "Resources", "Loops"]),
        Floor(name: "formats", folders: ["Wire", "Arrays", "Images", "OpenInference", "Inference"]),
        Floor(name: "engine room", folders: ["Cluster", "Transport"]),
        Floor(name: "shells", folders: ["Hosting", "Shell", "History", "Simulator"]),
        Floor(name: "services", folders: ["Topology", "Gateway", "Profiling", "Client"]),
        Floor(name: "programs", folders: ["Coordinator", "Worker", "Check", "CLI"]),
    ]

    /// Modules that are called otherwise than their folder.
    private static let folders = ["AMP4ECClient": "Client"]

    /// The number of a module's floor, from 0; `nil` for what is not ours, and for C.
    static func floor(of module: String) -> Int? {
        let folder = folders[module] ?? module
        return floors.firstIndex { $0.folders.contains(folder) }
    }

    /// An import that does not point down, and a folder without a floor.
    static func order(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, let folder = file.module(below: "Sources") else { return [] }
        guard let own = floor(of: folder) else {
            return [Violation(path: file.path, line: 1, message: "Sources/\(folder) is on no floor of FloorRules.floors")]
        }
        return ImportRules.imports(of: file).compactMap { item in
            guard let other = floor(of: item.module), other >= own else { return nil }
            return Violation(
                path: file.path, line: item.line,
                message: "\(folder) is on floor \(own) and imports \(item.module) of floor \(other): imports point down")
        }
    }

    /// Rows of the table that allow what does not point down, even if no file makes use of it yet.
    static func upward(_ allowed: [String: Set<String>]) -> [String] {
        allowed.sorted { $0.key < $1.key }.flatMap { folder, modules in
            modules.sorted().filter { module in
                guard let other = floor(of: module) else { return false }
                return floor(of: folder).map { other >= $0 } ?? true
            }.map { "\(folder) may import \($0)" }
        }
    }

    /// Floors that the picture in the architecture's document lacks or shows otherwise: a line has the floor's number, its name and its
    /// modules.
    static func missing(in document: SourceFile) -> [String] {
        floors.enumerated().compactMap { number, floor in
            let start = "\(number) \(floor.name) "
            let line = document.lines.first { $0.drop { $0 == " " }.hasPrefix(start) }
            let modules = line.map { $0.drop { $0 == " " }.dropFirst(start.count).prefix { $0 != "←" }.split(separator: " ") }
            return modules.map { Set($0.map(String.init)) == Set(floor.folders) } == true ? nil : "\(number) \(floor.name)"
        }
    }
}
