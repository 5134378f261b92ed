/// Who takes part in a simulation.
enum Process: Hashable, Sendable, CustomStringConvertible {
    /// 0 is the one that the clients know; 1 is started by mistake beside it.
    case coordinator(Int)
    case worker(Int)
    case client(Int)
    /// Types `amp4ec drain`.
    case person

    var description: String {
        switch self {
        case .coordinator(0): "coordinator"
        case .coordinator: "second-coordinator"
        case .worker(let index): "w\(index)"
        case .client(let index): "client\(index)"
        case .person: "operator"
        }
    }
}
