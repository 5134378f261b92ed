internal import Confinement
internal import Logging
internal import Loops
internal import Synchronization

/// Threads that load and run what a coordinator sends are confined when they start; what libtorch starts from them is with them.
extension WorkerProcess {
    /// Tries it on a thread that ends again, and says in the log what came of it.
    /// - Returns: what each of those threads does first; `nil` where nothing confines them.
    static func confinement(_ options: WorkerOptions, _ logger: Logger) throws -> (@Sendable () -> Void)? {
        guard !options.noConfinement else {
            logger.warning("threads that run the model's code are not confined: --no-confinement is given")
            return nil
        }
        let confinement = Confinement(writableFolders: options.cacheDir.map { [$0] } ?? [])
        let tried = Mutex(Confinement.Outcome())
        let trial = try TaskQueue(name: "trial", threadCount: 1, capacity: 1)
        trial.submit { tried.withLock { $0 = confinement.confineThread() } }
        trial.shutDown()
        let expected = tried.withLock { $0 }
        var metadata: Logger.Metadata = ["confinement": "\(expected.summary)"]
        if !expected.missing.isEmpty { metadata["missing"] = "\(expected.missing.joined(separator: "; "))" }
        logger.info("threads that run the model's code", metadata: metadata)
        return {
            let outcome = confinement.confineThread()
            guard outcome != expected else { return }
            logger.warning(
                "a thread that runs the model's code is confined otherwise than the first",
                metadata: ["confinement": "\(outcome.summary)", "missing": "\(outcome.missing.joined(separator: "; "))"])
        }
    }
}
