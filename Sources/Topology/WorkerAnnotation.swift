public import Base
internal import Shell

/// A service's own `x-amp4ec` keys.
public struct WorkerAnnotation: Sendable, Hashable {
    public enum Role: String, Sendable, Hashable, CaseIterable { case worker, coordinator, client }

    public var role: Role?
    /// The pipeline stage that this worker should serve, from 0.
    public var stage: Int?
    /// The worker is watched but takes no part in plans.
    public var exclude: Bool
    /// Where the worker is reached, where the project itself does not say it.
    public var address: HostPort?

    public init(role: Role? = nil, stage: Int? = nil, exclude: Bool = false, address: HostPort? = nil) {
        self.role = role
        self.stage = stage
        self.exclude = exclude
        self.address = address
    }
}

extension WorkerAnnotation {
    private static let keys = ["role", "stage", "exclude", "address"]
    /// A pipeline has at most as many stages as a model has layers; none here has more.
    private static let maximumStage = 9_999

    /// The service's `x-amp4ec`.
    init(_ service: ConfigNode, fields: FieldReader) throws(TopologyError) {
        self.init()
        guard let node = service[ComposeFile.extensionKey] else { return }
        for entry in try fields.mapping(node, ComposeFile.extensionKey) {
            let field = "\(ComposeFile.extensionKey).\(entry.key)"
            switch entry.key {
            case "role":
                let text = try fields.text(entry.value, field)
                guard let role = Role(rawValue: text) else {
                    let names = Role.allCases.map(\.rawValue)
                    throw fields.refusal(
                        entry.value, field, "\"\(text)\" is not a role",
                        NearestName.of(text, among: names).map { "did you mean \($0)?" }
                            ?? "use one of \(names.joined(separator: ", "))")
                }
                self.role = role
            case "stage": stage = try fields.integer(entry.value, field, in: 0...Self.maximumStage)
            case "exclude": exclude = try fields.boolean(entry.value, field)
            case "address":
                let text = try fields.text(entry.value, field)
                let fix = "write HOST:PORT, such as box:9000"
                do { address = try HostPort(parsing: text) } catch {
                    throw fields.refusal(entry.value, field, "\"\(text)\" is not a host and a port", fix)
                }
                guard address?.host != nil, address?.port != 0 else {
                    throw fields.refusal(entry.value, field, "\"\(text)\" lacks a host or a port", fix)
                }
            default:
                let nearest = NearestName.of(entry.key, among: Self.keys)
                throw fields.refusal(
                    entry.value, field, "there is no such key for a service",
                    nearest.map { "did you mean \($0)?" } ?? "use one of \(Self.keys.joined(separator: ", "))")
            }
        }
    }
}
