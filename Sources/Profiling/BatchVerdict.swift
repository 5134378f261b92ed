public import Cluster

/// What a check has found out about the items of a batch.
public enum BatchVerdict: Sendable, Hashable {
    /// No item sees another: requests may be cut.
    case independent
    /// They do, and how that showed.
    case dependent(String)
    /// The declared shapes leave nothing to cut along, whatever the model does.
    case undivided(String)
    /// It could not be found out. Requests travel whole, and the next start tries again.
    case inconclusive(String)

    /// What is served, where the model's owner has not said otherwise.
    public var batching: ServedModel.Batching {
        switch self {
        case .independent: .splittable
        case .dependent(let why), .undivided(let why), .inconclusive(let why): .whole(why)
        }
    }

    /// What is served on the owner's word that items are independent. Without N there is still nothing to cut along.
    public var declaredBatching: ServedModel.Batching {
        if case .undivided(let why) = self { .whole(why) } else { .splittable }
    }

    public var reason: String? {
        if case .whole(let why) = batching { why } else { nil }
    }
}

extension BatchVerdict: Codable {
    private enum Kind: String, Codable { case independent, dependent, undivided, inconclusive }
    private enum CodingKeys: String, CodingKey { case kind, reason }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(Kind.self, forKey: .kind) {
        case .independent: self = .independent
        case .dependent: self = .dependent(try container.decode(String.self, forKey: .reason))
        case .undivided: self = .undivided(try container.decode(String.self, forKey: .reason))
        case .inconclusive: self = .inconclusive(try container.decode(String.self, forKey: .reason))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let kind: Kind =
            switch self {
            case .independent: .independent
            case .dependent: .dependent
            case .undivided: .undivided
            case .inconclusive: .inconclusive
            }
        try container.encode(kind, forKey: .kind)
        try container.encodeIfPresent(reason, forKey: .reason)
    }
}
