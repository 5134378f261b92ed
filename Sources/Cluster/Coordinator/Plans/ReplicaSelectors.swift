internal import Base
internal import Planning

/// A selector for each stage that has several replicas; a stage of one needs no choice.
struct ReplicaSelectors: Sendable {
    /// Room and memory are reserved elsewhere, so a task needs nothing that the selector must compare.
    private static let demand = TaskDemand()

    private var byStage: [NodeSelector?]
    private let stagesOf: [NodeID: [Int]]
    /// Those among which there is a choice.
    var nodes: Set<NodeID> { Set(stagesOf.keys) }
    func isChoice(_ id: NodeID) -> Bool { stagesOf[id] != nil }

    /// While no plan serves.
    init() {
        byStage = []
        stagesOf = [:]
    }

    init(_ deployment: PlannedDeployment, maximumLoad: Double) {
        var settings = SelectionSettings()
        settings.maximumLoad = maximumLoad
        var stagesOf: [NodeID: [Int]] = [:]
        byStage = deployment.stages.enumerated().map { index, stage in
            guard stage.replicas.count > 1 else { return nil }
            for replica in stage.replicas { stagesOf[replica, default: []].append(index) }
            var selector = NodeSelector(settings: settings)
            selector.prepare(for: Self.demand)
            return selector
        }
        self.stagesOf = stagesOf
    }

    func best(ofStage index: Int) -> NodeID? { byStage[index]?.winner(Self.demand)?.node }

    func best(ofStage index: Int, among candidates: [NodeID]) -> NodeID? {
        byStage[index]?.winner(Self.demand, among: candidates)
    }

    /// - Parameter reading: `nil` for a node that takes no work now.
    mutating func update(_ id: NodeID, _ reading: NodeReading?) {
        for stage in stagesOf[id] ?? [] {
            if let reading { _ = byStage[stage]?.update(id, reading) } else { byStage[stage]?.stopsAnswering(id) }
        }
    }

    mutating func began(on id: NodeID) { for stage in stagesOf[id] ?? [] { byStage[stage]?.assign(to: id) } }

    mutating func ended(on id: NodeID, milliseconds: Double?) {
        for stage in stagesOf[id] ?? [] { _ = byStage[stage]?.finish(on: id, milliseconds: milliseconds) }
    }
}
