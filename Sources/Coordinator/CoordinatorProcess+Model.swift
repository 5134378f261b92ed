internal import Cluster
internal import Inference
internal import Logging
internal import Profiling
internal import Tensors

/// What an operator should know about how the model is served.
extension CoordinatorProcess {
    func logInputBinding() {
        if case .byPosition(let forward) = service.inputBinding {
            logger.info(
                "none of the inputs has a name of forward's: they are taken in its order",
                metadata: [
                    "inputs": "\(service.manifest.inputs.map(\.name).joined(separator: ", "))",
                    "forward": "\(forward.joined(separator: ", "))",
                ])
        }
    }

    func logModelNotes() {
        for note in service.notes { logger.info("how the model is served", metadata: ["note": "\(note)"]) }
    }

    func logBatching(of prepared: ModelService.Prepared) {
        switch (prepared.served.batching, prepared.batch.reason) {
        case (.whole(let why), _): logger.warning("requests are not split", metadata: ["cause": "\(why)"])
        case (.splittable, let doubt?):
            logger.warning(
                "requests are split because the model's owner declares its items independent; the check says otherwise",
                metadata: ["cause": "\(doubt)"])
        case (.splittable, nil): break
        }
    }
}
