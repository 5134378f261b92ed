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
    public func corrected(by measurements: [RangeMeasurement]) -> ModelProfile {
        var corrected = self
        for measurement in measurements where measurement.milliseconds > 0 && measurement.milliseconds.isFinite {
            let range = measurement.range
            guard range.first >= 0, range.end <= layers.count, range.count > 0 else { continue }
            let known = range.indices.compactMap { corrected.layers[$0].milliseconds }
            let sum = known.reduce(0, +)
            if known.count == range.count, sum > 0 {
                let factor = measurement.milliseconds / sum
                for index in range.indices {
                    corrected.layers[index].milliseconds = (corrected.layers[index].milliseconds ?? 0) * factor
                }
            } else {
                let share = measurement.milliseconds / Double(range.count)
                for index in range.indices { corrected.layers[index].milliseconds = share }
            }
        }
        return corrected
    }
}
