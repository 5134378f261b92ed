internal import Tensors

/// How an output is reached in what forward returns: keys and fields are names, positions in tuples and lists are not.
struct OutputPath {
    private struct Step {
        let text: String
        let isName: Bool
    }
    private let steps: [Step]

    /// - Parameter encoded: as `CTorch.h` says.
    init(_ encoded: String) {
        // AMP_TORCH_PATH_SEPARATOR
        steps = encoded.split(separator: "\u{1F}").map { Step(text: String($0.dropFirst()), isName: $0.first == "n") }
    }

    var hasName: Bool { steps.contains { $0.isName } }

    private var whole: String { Self.written(steps[...]) }
    /// From the first name on.
    private var short: String? { steps.firstIndex { $0.isName }.map { Self.written(steps[$0...]) } }

    private static func written(_ steps: ArraySlice<Step>) -> String {
        safe(steps.map(\.text).joined(separator: "."))
    }

    /// The nearest name that a ``TensorSpec`` may have: a key may be any text.
    private static func safe(_ text: String) -> String {
        var safe = ""
        for character in text {
            let isBad =
                character.isWhitespace || character == ":" || character.unicodeScalars.contains(where: \.isObeyedByTerminals)
            let next = isBad ? "_" : String(character)
            guard safe.utf8.count + next.utf8.count <= TensorSpec.maximumNameByteCount else { break }
            safe += next
        }
        return safe
    }

    /// A name for each, no two alike: the key or field; the whole path where that stands twice; `output0` where there is no name.
    /// The exporter (scripts/export/structure.py) finds the same ones.
    static func names(of paths: [OutputPath]) -> [String] {
        let short = paths.map(\.short)
        var names = zip(paths, short).enumerated().map { position, output in
            let (path, name) = output
            guard let name, !name.isEmpty else { return "output\(position)" }
            return short.count { $0 == name } > 1 ? path.whole : name
        }
        var taken: Set<String> = []
        for position in names.indices {
            if taken.contains(names[position]) {
                let stem = names[position].prefix(200)
                let candidates = (2...(names.count + 1)).lazy.map { "\(stem)_\($0)" }
                names[position] = candidates.first { !taken.contains($0) && !names.contains($0) } ?? "output\(position)"
            }
            taken.insert(names[position])
        }
        return names
    }
}
