public import ArgumentParser
public import Planning
public import Wire

extension PlanStrategy: ExpressibleByArgument {}
extension PlanShape: ExpressibleByArgument {}
extension PlanObjective: ExpressibleByArgument {}
extension CostModel: ExpressibleByArgument {}

extension CompressionMode: ExpressibleByArgument {
    public init?(argument: String) {
        guard let match = CompressionMode.allCases.first(where: { "\($0)" == argument }) else { return nil }
        self = match
    }
    public static var allValueStrings: [String] { allCases.map { "\($0)" } }
    public static var allValueDescriptions: [String: String] { [:] }
    public var defaultValueDescription: String { "\(self)" }
}
