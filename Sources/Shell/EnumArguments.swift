public import ArgumentParser
public import Planning
public import Wire

extension PlanStrategy: ExpressibleByArgument {}
extension PlanShape: ExpressibleByArgument {}
extension PlanObjective: ExpressibleByArgument {}
extension CostModel: ExpressibleByArgument {}
extension CompressionMode: ExpressibleByArgument {}
