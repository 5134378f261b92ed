internal import Profiling
internal import Shell

/// What a command says about a model that it runs itself, beside its report.
enum ModelNotes {
    static func write(_ service: ModelService) {
        for note in service.notes { StandardStream.error.writeLine("note: \(note)") }
    }
}
