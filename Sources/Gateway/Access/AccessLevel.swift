/// Who may use a route.
public enum AccessLevel: String, Sendable, Hashable, CaseIterable {
    /// Everybody, without a token: probes have none.
    case open
    /// Whoever has a client's or an operator's token; where there are no tokens, whoever is on this machine.
    case reader
    /// Whoever has an operator's token, and nobody where there are no tokens.
    case `operator`
}

/// Who made a request, as far as it is proved.
public struct HTTPCaller: Sendable, Hashable, CustomStringConvertible {
    public enum Role: String, Sendable, Hashable, CaseIterable {
        /// Nothing was proved.
        case anyone
        /// Reads what the cluster shows, and asks it for inferences.
        case client
        /// Changes the cluster too.
        case `operator`

        func reaches(_ level: AccessLevel) -> Bool {
            switch level {
            case .open: true
            case .reader: self != .anyone
            case .operator: self == .operator
            }
        }
    }

    public let role: Role
    /// The token's label, where it has one: which application or person it was.
    public let label: String?

    public init(_ role: Role, label: String? = nil) {
        self.role = role
        self.label = label
    }

    public static let anyone = HTTPCaller(.anyone)

    /// `operator:anna`, or the role alone.
    public var description: String { label.map { "\(role.rawValue):\($0)" } ?? role.rawValue }
}
