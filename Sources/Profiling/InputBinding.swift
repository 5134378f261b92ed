public import Shell
public import Tensors

/// Which declared input is which of `forward`'s arguments.
///
/// By name in any order where the names are forward's own; by position where none of them is, because traced models and old exports call
/// their arguments otherwise. Anything between is a mistake that would exchange inputs in silence, and is refused.
public enum InputBinding: Sendable, Hashable {
    case byName
    /// None of the names is forward's.
    case byPosition(forward: [String])

    /// The declarations in forward's order.
    public static func bind(
        _ specs: [TensorSpec], to forward: [String]
    ) throws(CommandFailure) -> (specs: [TensorSpec], binding: InputBinding) {
        let arguments = "forward takes \(forward.map { "\"\($0)\"" }.joined(separator: ", "))"
        let names = specs.map(\.name)
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw CommandFailure(.badData, "input \"\(twice)\" is declared twice; \(arguments)")
        }
        guard specs.count == forward.count else {
            throw CommandFailure(
                .badData,
                "the model takes \(forward.count) inputs (\(forward.joined(separator: ", "))), but \(specs.count == 1 ? "one is" : "\(specs.count) are") described\(specs.count > forward.count ? "; arguments with a default value keep it and are no inputs" : "")"
            )
        }
        // An old trace may call two arguments alike: then names tell nothing.
        guard Set(forward).count == forward.count else { return (specs, .byPosition(forward: forward)) }
        let known = names.filter(forward.contains)
        if known.isEmpty {
            try checkSpelling(of: names, against: forward, arguments)
            return (specs, .byPosition(forward: forward))
        }
        guard known.count == names.count else {
            let strange = names.filter { !forward.contains($0) }.map { "\"\($0)\"" }.joined(separator: ", ")
            let own = known.map { "\"\($0)\"" }.joined(separator: ", ")
            throw CommandFailure(
                .badData,
                "\(own) \(known.count == 1 ? "is a name" : "are names") of forward's, \(strange) not; \(arguments): use its names in any order, or others for all inputs, in its order"
            )
        }
        return (forward.compactMap { name in specs.first { $0.name == name } }, .byName)
    }

    /// "Key" for "key", or "inputIds" for "input_ids", is meant as a name: in another place than forward's it would be another input.
    private static func checkSpelling(of names: [String], against forward: [String], _ arguments: String) throws(CommandFailure) {
        func folded(_ name: String) -> String { String(name.lowercased().filter { $0 != "_" && $0 != "-" }) }
        let own = forward.map(folded)
        for (position, name) in names.enumerated() {
            guard let place = own.firstIndex(of: folded(name)), own[position] != folded(name) else { continue }
            throw CommandFailure(
                .badData,
                "input \"\(name)\" is not in the place of \"\(forward[place])\"; \(arguments): use its names as they are written there, or others for all inputs, in its order"
            )
        }
    }
}
