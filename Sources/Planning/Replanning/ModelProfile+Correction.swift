/// The time of a partition, measured as a partition on the reference node.
public struct RangeMeasurement: Sendable, Hashable, Codable {
    public var range: LayerRange
    public var milliseconds: Double
    public init(range: LayerRange, milliseconds: Double) {
        self.range = range
        self.milliseconds = milliseconds
    }
}

extension ModelProfile {
    /// The profile whose layer times sum, over each measured range, to the measured time of that range.
    ///
    /// An optimised partition is fused across its layers, so the sum of layers timed one by one misleads; inside a range the layers
    /// keep their proportions. Where ranges overlap the later measurement is met exactly, so give the newest last. A measurement
    /// that is no positive number, or that lies outside the model, is left out. Layers without a time take an equal share.
    /// Takes time proportional to the layers in all ranges.
    ///
    /// - Parameter passes: how often all measurements are applied. More than one lets ranges that overlap agree (iterative proportional
    ///   fitting), which learns more from few of them; but where noise makes them contradict each other it drives layers towards nothing.
    public func corrected(by measurements: [RangeMeasurement], passes: Int = 1) -> ModelProfile {
        var corrected = self
        for _ in 0..<passes { corrected.apply(measurements) }
        return corrected
    }

    private mutating func apply(_ measurements: [RangeMeasurement]) {
        for measurement in measurements where measurement.milliseconds > 0 && measurement.milliseconds.isFinite {
            let range = measurement.range
            guard range.first >= 0, range.end <= layers.count, range.count > 0 else { continue }
            let known = range.indices.compactMap { layers[$0].milliseconds }
            let sum = known.reduce(0, +)
            if known.count == range.count, sum > 0 {
                let factor = measurement.milliseconds / sum
                for index in range.indices {
                    layers[index].milliseconds = (layers[index].milliseconds ?? 0) * factor
                }
            } else {
                let share = measurement.milliseconds / Double(range.count)
                for index in range.indices { layers[index].milliseconds = share }
            }
        }
    }
}
