public import Tensors

/// Which of a file's arrays are a model's inputs or outputs: by name, whatever else the file holds.
///
/// Where the file holds as many arrays as are asked for, none with a name and nothing else, they are taken in order.
public struct ArrayChoice: Sendable {
    /// A file does not hold what was asked for: what is there, and how it is written.
    public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        public let message: String
        public var description: String { message }
    }

    /// Names in a message at most: an archive may have thousands.
    static let shownNames = 8

    private let names: [String]
    private let kind: String
    private let owner: String
    private let takesUnnamed: Bool

    /// - Parameters:
    ///   - names: of the arrays, in the order in which they are wanted.
    ///   - kind: what each is: `input` or `output`.
    ///   - owner: of what, for messages: `model "resnet"`.
    ///   - takesUnnamed: several arrays without names are taken in order; a single one always is.
    public init(_ names: [String], kind: String, of owner: String, takesUnnamed: Bool = false) {
        self.names = names
        self.kind = kind
        self.owner = owner
        // An array of that name is not one without a name.
        self.takesUnnamed = (takesUnnamed || names.count == 1) && !names.contains(Self.unnamed(0))
    }

    /// What `numpy.savez` calls an array that it was given without a name.
    private static func unnamed(_ position: Int) -> String { "arr_\(position)" }

    /// What to read out of a `.npz`.
    public var wanted: Set<String> { Set(names + (takesUnnamed ? names.indices.map(Self.unnamed) : [])) }

    /// The arrays, in the order of their names.
    /// - Parameter source: what the file is called in messages.
    public func tensors(in file: ArrayFile, from source: String) throws(Refusal) -> [Tensor] {
        switch file {
        case .single(let tensor):
            guard names.count == 1 else {
                throw Refusal(
                    message:
                        "\(source) holds one array, but \(owner) has \(names.count) \(kind)s (\(names.joined(separator: ", "))): "
                        + "write them to a .npz with \(call)")
            }
            return [tensor]
        case .named(let arrays, let others): return try tensors(of: arrays, others, source)
        }
    }

    private func tensors(of arrays: [(name: String, tensor: Tensor)], _ others: [String], _ source: String) throws(Refusal)
        -> [Tensor]
    {
        if takesUnnamed, others.isEmpty, arrays.map(\.name) == names.indices.map(Self.unnamed) { return arrays.map(\.tensor) }
        var tensors: [Tensor] = []
        for name in names {
            guard let array = arrays.first(where: { $0.name == name }) else {
                throw Refusal(
                    message:
                        "\(source) has no array \"\(name)\", an \(kind) of \(owner); it has \(Self.list(arrays.map(\.name) + others)): "
                        + "write it with \(call)")
            }
            tensors.append(array.tensor)
        }
        return tensors
    }

    /// How the file is written.
    private var call: String { "numpy.savez(FILE, \(names.map { "\($0)=…" }.joined(separator: ", ")))" }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(shownNames).joined(separator: ", ")
        return names.isEmpty ? "none" : names.count > shownNames ? "\(shown) and \(names.count - shownNames) more" : shown
    }
}
