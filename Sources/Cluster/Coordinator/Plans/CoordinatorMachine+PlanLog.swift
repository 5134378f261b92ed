internal import Base
internal import Planning

/// What the log says of plans.
extension CoordinatorMachine {
    /// Who reads the log sees why a worker idles.
    func sayUnused(_ deployment: PlannedDeployment, _ step: inout Step) {
        let used = deployment.nodes
        let unused = roster.all.filter { $0.state == .ready && !used.contains($0.id) }.map(\.id).sorted()
        guard !unused.isEmpty else { return }
        step.log(
            .info, "the plan leaves workers unused",
            [
                "unused": unused.map(\.name).joined(separator: " "),
                "reasons": deployment.plan.reasons.joined(separator: "; "),
            ])
    }

    /// Once for each cause, though it is tried again and again.
    mutating func sayImpossible(_ level: LogLine.Level, _ cause: String, _ step: inout Step) {
        guard plans.isNews(cause) else { return }
        step.log(level, "no plan is possible", ["cause": cause])
    }
}
