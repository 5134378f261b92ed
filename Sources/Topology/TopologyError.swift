public import Shell

/// Why a topology, a worker list or a configuration file was refused: where, what is wrong with which value, and the fix.
public struct TopologyError: ExitStatusProviding, Hashable, CustomStringConvertible {
    /// The file as the user named it; `nil` for text from the command line.
    public let file: String?
    /// From 1; `nil` where the whole file is meant.
    public let line: Int?
    public let column: Int?
    public let service: String?
    /// The key's path, such as `deploy.resources.limits.memory`.
    public let field: String?
    public let problem: String
    public let fix: String
    public let exitStatus: ExitStatus

    public init(
        file: String? = nil, line: Int? = nil, column: Int? = nil, service: String? = nil, field: String? = nil, problem: String,
        fix: String, exitStatus: ExitStatus = .badData
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.service = service
        self.field = field
        self.problem = problem
        self.fix = fix
        self.exitStatus = exitStatus
    }

    /// `compose.yaml:12:5: service "w1": ports: "x" is not a port; write …`
    public var description: String {
        var place =
            file.map { [$0, line.map(String.init), column.map(String.init)].compactMap(\.self).joined(separator: ":") + ": " } ?? ""
        if let service { place += "service \"\(service)\": " }
        if let field { place += "\(field): " }
        return "\(place)\(problem); \(fix)"
    }
}
