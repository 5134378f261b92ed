/// One extent of a declared input or output.
public enum Dimension: Sendable, Hashable {
    /// Always this many.
    case fixed(Int)
    /// The batch: `N`. Items along it are independent where the split check has proved so.
    case batch
    /// Any extent, with a name for messages (`T`, `sequence`).
    case free(String)
}

extension Dimension: CustomStringConvertible, Codable {
    public var description: String {
        switch self {
        case .fixed(let extent): "\(extent)"
        case .batch: "N"
        case .free(let name): name
        }
    }

    init(text: some StringProtocol) throws(TensorError) {
        if text == "N" {
            self = .batch
        } else if let extent = Int(text), extent >= 0, text.first != "+" {
            self = .fixed(extent)
        } else if let first = text.first, first.isLetter, text.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) {
            self = .free(String(text))
        } else {
            throw TensorError(.malformedSpec, "\"\(text)\" is not a dimension; write a number, N for the batch, or a name")
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let extent = try? container.decode(Int.self) {
            try self.init(text: "\(extent)")
        } else {
            try self.init(text: container.decode(String.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if case .fixed(let extent) = self { try container.encode(extent) } else { try container.encode(description) }
    }
}

/// What a model expects or gives at one position: name, element type and extents.
///
/// Written `name:dtype[d0,d1,…]`, for example `image:uint8[N,224,224,3]`.
public struct TensorSpec: Sendable, Hashable, Codable, CustomStringConvertible {
    public static let maximumNameByteCount = 255

    public let name: String
    public let dtype: DType
    public let shape: [Dimension]

    public init(name: String, dtype: DType, shape: [Dimension]) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
    }

    /// Reads `name:dtype[d0,d1,…]`.
    public init(parsing text: String) throws(TensorError) {
        func malformed(_ why: String) -> TensorError {
            TensorError(.malformedSpec, "input \"\(text)\": \(why)", fix: "write it like name:float32[N,3,224,224]")
        }
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else {
            throw malformed("there is no name before a colon")
        }
        guard let open = text.firstIndex(of: "["), open > colon, text.hasSuffix("]") else { throw malformed("there is no [shape]") }
        let typeName = text[text.index(after: colon)..<open]
        guard let dtype = DType(name: typeName) else {
            throw malformed("dtype \"\(typeName)\" is none of \(DType.allCases.map(\.name).joined(separator: ", "))")
        }
        let inside = text[text.index(after: open)..<text.index(before: text.endIndex)]
        var shape: [Dimension] = []
        if !inside.allSatisfy(\.isWhitespace) {
            for part in inside.split(separator: ",", omittingEmptySubsequences: false) {
                let trimmed = part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
                do { shape.append(try Dimension(text: String(trimmed))) } catch { throw malformed(error.message) }
            }
        }
        let name = String(text[..<colon])
        if let problem = TensorSpec.problem(name: name, shape: shape) { throw malformed(problem) }
        self.init(name: name, dtype: dtype, shape: shape)
    }

    /// What no declaration may have, whether it comes from the command line or from a manifest.
    private static func problem(name: String, shape: [Dimension]) -> String? {
        if name.isEmpty { return "the name is empty" }
        if name.contains(where: { $0.isWhitespace || $0 == ":" }) { return "the name \"\(name)\" holds a blank or a colon" }
        // As names are on the wire, in every reply.
        if name.utf8.count > maximumNameByteCount {
            return "the name's \(name.utf8.count) bytes are over the limit of \(maximumNameByteCount)"
        }
        if name.unicodeScalars.contains(where: \.isObeyedByTerminals) { return "the name holds a control character" }
        if shape.count > Tensor.maximumRank { return "\(shape.count) dimensions are over the limit of \(Tensor.maximumRank)" }
        if shape.count(where: { $0 == .batch }) > 1 { return "N stands twice" }
        return nil
    }

    private enum CodingKeys: String, CodingKey { case name, dtype, shape }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let name = try container.decode(String.self, forKey: .name)
        let shape = try container.decode([Dimension].self, forKey: .shape)
        if let problem = TensorSpec.problem(name: name, shape: shape) {
            throw TensorError(.malformedSpec, "\"\(name)\" in the manifest: \(problem); export the model again")
        }
        self.init(name: name, dtype: try container.decode(DType.self, forKey: .dtype), shape: shape)
    }

    /// Where the batch dimension stands, or `nil` when the tensor goes along whole.
    public var batchDimension: Int? { shape.firstIndex(of: .batch) }

    /// Whether a dimension may have any length in each request.
    package var hasFreeDimension: Bool { shape.contains { if case .free = $0 { true } else { false } } }

    public var description: String { "\(name):\(dtype.name)[\(shape.map(\.description).joined(separator: ","))]" }

    /// Checks a tensor against this declaration.
    /// - Returns: the batch extent found, or `nil` where no batch is declared.
    @discardableResult
    public func check(_ tensor: Tensor) throws(TensorError) -> Int? {
        try check(dtype: tensor.dtype, shape: tensor.shape)
    }

    /// As ``check(_:)``, before any data is there.
    @discardableResult
    public func check(dtype actualType: DType, shape actual: [Int]) throws(TensorError) -> Int? {
        guard actualType == dtype else {
            throw TensorError(
                .specMismatch, "input \"\(name)\" takes \(dtype.name), but \(actualType.name) was given; convert it first")
        }
        let fits =
            actual.count == shape.count
            && zip(shape, actual).allSatisfy { declared, extent in
                if case .fixed(let wanted) = declared { wanted == extent } else { true }
            }
        guard fits else {
            throw TensorError(
                .specMismatch,
                "input \"\(name)\" takes shape [\(shape.map(\.description).joined(separator: ","))], but "
                    + "[\(actual.map(\.description).joined(separator: ","))] was given; bring it into that shape"
                    + (batchDimension == nil ? "" : " (N: the number of items)"))
        }
        guard let position = batchDimension else { return nil }
        guard actual[position] > 0 else {
            throw TensorError(.specMismatch, "input \"\(name)\" has a batch of 0; send at least one item")
        }
        return actual[position]
    }

    /// Checks tensors against all of a model's declared inputs: each by itself, and that they have as many items as each other.
    /// - Parameter tensor: dtype and shape of the tensor for the declaration at a position.
    /// - Returns: items along the batch dimension; 1 where no input has one.
    public static func itemCount(
        _ specs: [TensorSpec], of tensor: (_ position: Int) throws(TensorError) -> (dtype: DType, shape: [Int])
    ) throws(TensorError) -> Int {
        var items: Int?
        for (position, spec) in specs.enumerated() {
            let (dtype, shape) = try tensor(position)
            guard let count = try spec.check(dtype: dtype, shape: shape) else { continue }
            if let items, items != count {
                throw TensorError(
                    .specMismatch,
                    "the inputs disagree about the batch: \"\(spec.name)\" has \(count) items, another has \(items); give each as many"
                )
            }
            items = count
        }
        return items ?? 1
    }

    /// As ``itemCount(_:of:)`` for tensors that are there, one for each declaration, in their order.
    public static func itemCount(_ specs: [TensorSpec], of tensors: [Tensor]) throws(TensorError) -> Int {
        precondition(specs.count == tensors.count, "a tensor for each declaration")
        return try itemCount(specs) { position throws(TensorError) in (tensors[position].dtype, tensors[position].shape) }
    }

    /// A concrete shape with `batch` items; `free` gives the extents of free dimensions.
    public func concreteShape(batch: Int, free: (String) -> Int = { _ in 1 }) -> [Int] {
        shape.map { dimension in
            switch dimension {
            case .fixed(let extent): extent
            case .batch: batch
            case .free(let name): free(name)
            }
        }
    }
}
