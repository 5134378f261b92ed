internal import Inference
internal import Shell
internal import Tensors

/// Which declared output is which of those that forward names.
enum OutputBinding {
    /// The declarations in forward's order: by name where they are its own, by position where none is. Names that are half right would
    /// exchange outputs in silence.
    static func bind(_ specs: [TensorSpec], to model: TorchModel) throws(CommandFailure) -> [TensorSpec] {
        let own = model.outputNames
        guard model.outputsAreNamed, specs.count == own.count else { return specs }
        let names = specs.map(\.name)
        let known = names.filter(own.contains)
        if known.isEmpty { return specs }
        guard Set(names) == Set(own) else {
            let strange = names.filter { !own.contains($0) }.map { "\"\($0)\"" }.joined(separator: ", ")
            throw CommandFailure(
                .badData,
                "the model calls its outputs \(own.joined(separator: ", ")), and the manifest \(names.joined(separator: ", "))\(strange.isEmpty ? "" : ": \(strange) is none of them"); use its names in any order, or others for all outputs, in its order"
            )
        }
        return own.compactMap { name in specs.first { $0.name == name } }
    }
}
