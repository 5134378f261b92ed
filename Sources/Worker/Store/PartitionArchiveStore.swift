internal import Inference
internal import Synchronization
public import Tensors
public import Wire

/// The partitions that a worker holds as archives: in memory, or in a folder where it was given one.
///
/// Bounded by `limit` bytes: the least recently used goes first, a pinned one (of a live route, or being loaded) never. With a
/// folder nothing is kept in memory: the kernel's page cache does that better, and gives it back under pressure. Contents are
/// checked against their SHA-256 when they come in and when they are read from disk, where they must be those that came in or were found.
///
/// ## Concurrency model
/// Any thread may call anything. A mutex guards the index; hashing, reading and writing happen outside it, so that the I/O loop's
/// ``contains(_:)`` and ``inventory()`` never wait for a disk. Other workers may share the folder: a file that one evicts is only
/// sent again to the other, and pins hold within one process.
public final class PartitionArchiveStore: Sendable {
    public struct Entry: Sendable, Hashable {
        public var key: PartitionKey
        /// SHA-256 of the archive.
        public var contentDigest: String
        public var byteCount: Int
    }

    private struct Slot {
        var entry: Entry
        /// Nil where the archive is on disk.
        var storage: TensorStorage?
        var lastUse: Int
    }

    private struct State {
        var slots: [PartitionKey: Slot] = [:]
        /// Bytes of archives on their way in, which have no slot yet.
        var reservedByteCount = 0
        var pins: [PartitionKey: Int] = [:]
        /// Rises with each use; what is found on disk starts below.
        var useCounter = 0

        var heldByteCount: Int { slots.values.reduce(reservedByteCount) { $0 + $1.entry.byteCount } }
    }

    public let limitByteCount: Int
    private let folder: PartitionFolder?
    private let warn: @Sendable (String) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - limitByteCount: `--cache-limit`, at least 1.
    ///   - folder: `--cache-dir`; made where it is missing.
    ///   - warn: takes one line for each file that is removed or cannot be written.
    /// - Throws: ``StoreError`` where the folder cannot be written.
    public init(limitByteCount: Int, folder: String? = nil, warn: @escaping @Sendable (String) -> Void) throws(StoreError) {
        guard limitByteCount > 0 else {
            throw StoreError(.noRoom, "--cache-limit is \(limitByteCount) bytes; give it at least one partition's size")
        }
        let opened: PartitionFolder?
        if let folder { opened = try PartitionFolder(path: folder) } else { opened = nil }
        var initial = State()
        for found in (opened?.entries(warn: warn) ?? []).sorted(by: { $0.lastUse < $1.lastUse }) {
            initial.useCounter += 1
            let entry = Entry(key: found.file.key, contentDigest: found.file.contentDigest, byteCount: found.file.byteCount)
            initial.slots[entry.key] = Slot(entry: entry, storage: nil, lastUse: initial.useCounter)
        }
        self.limitByteCount = limitByteCount
        self.folder = opened
        self.warn = warn
        self.state = Mutex(initial)
        // A folder from before may be larger than today's limit.
        remove(state.withLock { Self.evict(&$0, toFit: 0, limit: limitByteCount) ?? [] })
    }

    /// Keeps an archive and returns the keys that had to go for it.
    ///
    /// Where the disk refuses, the archive is kept in memory with a warning: the worker can serve, only its restart is slower.
    /// - Throws: ``StoreError`` for bytes that are not the digest's, and where pinned archives leave no room.
    @discardableResult
    public func put(_ key: PartitionKey, contentDigest: String, storage: TensorStorage) throws(StoreError) -> [PartitionKey] {
        let actual = SHA256.hexDigest(of: storage.bytes)
        guard actual == contentDigest else {
            throw StoreError(
                .digestMismatch,
                "the archive of \(key) has the digest \(actual.prefix(12))…, \(contentDigest.prefix(12))… was announced; send it again"
            )
        }
        let evicted = state.withLock { state -> [PartitionKey]? in
            let replaced = state.slots.removeValue(forKey: key)
            guard let evicted = Self.evict(&state, toFit: storage.byteCount, limit: limitByteCount) else {
                if let replaced { state.slots[key] = replaced }
                return nil
            }
            state.reservedByteCount += storage.byteCount
            return evicted
        }
        guard let evicted else {
            throw StoreError(
                .noRoom,
                "the archive of \(key) has \(storage.byteCount) bytes and does not fit --cache-limit \(limitByteCount) beside the partitions "
                    + "in use (\(pinnedByteCount) bytes); raise --cache-limit")
        }
        remove(evicted)
        let entry = Entry(key: key, contentDigest: contentDigest, byteCount: storage.byteCount)
        let isOnDisk = writeToDisk(entry, storage)
        state.withLock { state in
            state.reservedByteCount -= storage.byteCount
            state.useCounter += 1
            state.slots[key] = Slot(entry: entry, storage: isOnDisk ? nil : storage, lastUse: state.useCounter)
        }
        return evicted
    }

    /// The archive, marked as used, or nil where it is not held (any more).
    public func archive(for key: PartitionKey) -> TensorStorage? {
        // A file that another worker has written since is taken up first, if it may be trusted.
        guard contains(key) else { return nil }
        let (inMemory, digest) = state.withLock { state -> (TensorStorage?, String?) in
            guard state.slots[key] != nil else { return (nil, nil) }
            state.useCounter += 1
            state.slots[key]?.lastUse = state.useCounter
            return (state.slots[key]?.storage, state.slots[key]?.entry.contentDigest)
        }
        if let inMemory { return inMemory }
        guard let folder, let digest else { return nil }
        guard let storage = folder.read(key, digest: digest, warn: warn) else {
            // It may have come in anew, in memory, meanwhile: only a slot that points to the disk is wrong.
            state.withLock { state in if state.slots[key]?.storage == nil { state.slots[key] = nil } }
            return nil
        }
        return storage
    }

    /// Whether the archive is held; looks for a file that a worker with the same folder wrote.
    public func contains(_ key: PartitionKey) -> Bool {
        if state.withLock({ $0.slots[key] != nil }) { return true }
        return adoptFromDisk(key)
    }

    /// Keeps the key from eviction until as many ``unpin(_:)``. A key may be pinned before its archive is there.
    public func pin(_ key: PartitionKey) { state.withLock { $0.pins[key, default: 0] += 1 } }

    public func unpin(_ key: PartitionKey) {
        state.withLock { state in
            guard let count = state.pins[key] else { return }
            state.pins[key] = count > 1 ? count - 1 : nil
        }
    }

    /// What is held, by key.
    public func inventory() -> [Entry] {
        state.withLock { $0.slots.values.map(\.entry) }.sorted {
            ($0.key.modelDigest, $0.key.firstLayer, $0.key.endLayer, $0.key.toolchain, $0.key.optimization.rawValue)
                < ($1.key.modelDigest, $1.key.firstLayer, $1.key.endLayer, $1.key.toolchain, $1.key.optimization.rawValue)
        }
    }

    public var count: Int { state.withLock { $0.slots.count } }
    public var heldByteCount: Int { state.withLock { $0.heldByteCount } }

    private var pinnedByteCount: Int {
        state.withLock { state in
            state.slots.values.reduce(0) { state.pins[$1.entry.key] == nil ? $0 : $0 + $1.entry.byteCount }
                + state.reservedByteCount
        }
    }

    // MARK: - Eviction and disk

    /// Takes the least recently used out of the index until `byteCount` more fit; nil (and nothing taken) where they cannot.
    private static func evict(_ state: inout State, toFit byteCount: Int, limit: Int) -> [PartitionKey]? {
        var held = state.heldByteCount
        var evicted: [PartitionKey] = []
        // Without more to store, whatever may go is let go, even where pinned archives alone are above the limit.
        let candidates = state.slots.values.filter { state.pins[$0.entry.key] == nil }.sorted { $0.lastUse < $1.lastUse }
        for slot in candidates where held > limit - byteCount {
            held -= slot.entry.byteCount
            evicted.append(slot.entry.key)
        }
        guard held <= limit - byteCount || byteCount == 0 else { return nil }
        for key in evicted { state.slots[key] = nil }
        return evicted
    }

    private func remove(_ keys: [PartitionKey]) {
        guard let folder else { return }
        for key in keys { folder.remove(key) }
    }

    private func writeToDisk(_ entry: Entry, _ storage: TensorStorage) -> Bool {
        guard let folder else { return false }
        do {
            try folder.write(
                PartitionFile(key: entry.key, contentDigest: entry.contentDigest, byteCount: entry.byteCount), storage.bytes)
            return true
        } catch {
            warn("\(error.message); the partition is kept in memory")
            return false
        }
    }

    /// Takes a file of this key into the index, if there is a valid one.
    @discardableResult
    private func adoptFromDisk(_ key: PartitionKey) -> Bool {
        if state.withLock({ $0.slots[key] != nil }) { return true }
        guard let found = folder?.entry(of: key, warn: warn) else { return false }
        let evicted = state.withLock { state -> [PartitionKey] in
            guard state.slots[key] == nil else { return [] }
            state.useCounter += 1
            let entry = Entry(key: key, contentDigest: found.file.contentDigest, byteCount: found.file.byteCount)
            let evicted = Self.evict(&state, toFit: entry.byteCount, limit: limitByteCount) ?? []
            state.slots[key] = Slot(entry: entry, storage: nil, lastUse: state.useCounter)
            return evicted
        }
        remove(evicted)
        return true
    }
}
