/// What a reader of the project should know although nothing was refused: each once, in the order in which it was found.
final class ReadingNotes {
    /// A file with more has one mistake many times.
    static let maximumCount = 100

    private(set) var warnings: [String] = []
    private var seen: Set<String> = []

    func warn(_ warning: TopologyError) { warn(once: "\(warning)", warning) }

    /// - Parameter key: what the warning is about; a second one about the same is dropped.
    func warn(once key: String, _ warning: TopologyError) {
        guard seen.insert(key).inserted, warnings.count < ReadingNotes.maximumCount else { return }
        warnings.append("\(warning)")
    }
}
