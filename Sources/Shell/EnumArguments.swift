public import ArgumentParser
public import Planning
public import Tensors
public import Wire

extension PlanStrategy: ExpressibleByArgument {}
extension PlanShape: ExpressibleByArgument {}
extension PlanObjective: ExpressibleByArgument {}
extension CostModel: ExpressibleByArgument {}
extension CompressionMode: ExpressibleByArgument {}
extension BatchDeclaration: ExpressibleByArgument {}
