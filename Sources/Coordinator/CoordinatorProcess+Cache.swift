internal import Cluster
internal import Hosting
internal import Logging
internal import Loops
internal import Tensors
internal import Transport

/// The result cache (`--result-cache`, the paper's "AMP4EC+Cache"): an answered request's outputs, by a digest of its inputs.
///
/// It lives and ends with the process, which serves one model: there is nothing to clear on a change of the model, and the key names the model
/// all the same. Replies outlive new plans (``ResultCacheKey`` says why that is right). Two equal requests that are in flight at the same time
/// are both computed: joining them would make one's fate (its deadline, its client's leaving) the other's, for a case that the cache
/// serves from the next request on.
extension CoordinatorProcess {
    /// Of one request, where there is a cache.
    struct CacheEntry {
        /// Under which its outputs are kept.
        var key: ResultCacheKey
        /// The result of an earlier equal request, instead of pieces.
        var outputs: [Tensor]?
    }

    struct ResultCaching {
        var results: ResultCache<ResultCacheKey, [Tensor]>
        /// Hashes large inputs, so that neither the loop nor the codec waits for it.
        let hasher: TaskQueue
    }

    /// Inputs up to this size are hashed on the loop: SHA-256 takes 0.1 to 0.3 ms for them, about what handing them to a thread and back costs a
    /// busy machine.
    static let hashOnLoopLimit = 64 << 10
    /// Requests that may wait for the hasher; what is above is computed as if there were no cache.
    static let hasherCapacity = 1_024

    static func makeCaching(byteLimit: Int) throws -> ResultCaching? {
        guard byteLimit > 0 else { return nil }
        return ResultCaching(
            results: ResultCache(byteLimit: byteLimit),
            hasher: try TaskQueue(name: "hasher", threadCount: 1, capacity: hasherCapacity))
    }

    /// All inputs are here: looks for their result where there is a cache, else has it computed.
    func inputsComplete(_ id: RequestID) {
        guard let caching, let served, let inputs = payloads.inputs(of: id) else { return step(.requestArrived(id)) }
        let level = settings.level
        let byteCount = inputs.reduce(0) { $0 + $1.byteCount }
        func key() -> ResultCacheKey {
            ResultCacheKey(modelDigest: served.digest, level: level, specs: served.inputs, inputs: inputs)
        }
        guard byteCount > Self.hashOnLoopLimit else { return inputsHashed(id, key()) }
        let answers = answers
        let isTaken = caching.hasher.submit { [digest = served.digest, specs = served.inputs] in
            let key = ResultCacheKey(modelDigest: digest, level: level, specs: specs, inputs: inputs)
            _ = answers?.post(.inputsHashed(id, key))
        }
        if !isTaken { step(.requestArrived(id)) }
    }

    func inputsHashed(_ id: RequestID, _ key: ResultCacheKey) {
        // A request that ended while it was hashed is looked up for nobody.
        guard payloads.isAdmitted(id) else { return }
        let outputs = caching?.results.lookUp(key)
        cacheEntries[id] = CacheEntry(key: key, outputs: outputs)
        step(outputs == nil ? .requestArrived(id) : .requestCached(id))
    }

    /// Keeps the outputs of a request that the workers have answered, whole.
    func remember(_ outputs: [Tensor], for key: ResultCacheKey?) {
        guard let key else { return }
        // Tensors share the memory that they came in.
        var storages: [ObjectIdentifier: Int] = [:]
        for output in outputs { storages[ObjectIdentifier(output.storage)] = output.storage.byteCount }
        caching?.results.insert(key, outputs, valueBytes: storages.values.reduce(0, +))
    }

    func fillCacheCounters(_ counters: inout Counters) {
        guard let results = caching?.results else { return }
        counters.cacheHits = results.hits
        counters.cacheMisses = results.misses
        counters.cacheBytes = UInt64(results.byteCount)
        counters.cacheEntries = UInt64(results.entryCount)
    }
}
