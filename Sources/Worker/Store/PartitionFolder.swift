internal import Files
internal import Glibc
internal import Inference
internal import Tensors
internal import Wire

/// The archives in a `--cache-dir`, one file for each key, written whole or not at all.
///
/// A file is written beside its place, flushed and renamed, so a reader never meets half of one and two workers may share a folder.
/// Only files with our suffix are ever looked at or removed: the folder may hold a user's own things. The time of last use is the
/// file's modification time, so that it outlives the process and is shared.
///
/// What is in a file is code that will run, so a file that this process has not written itself counts only if the same user has, or root,
/// and nobody else may write it.
///
/// ## Concurrency model
/// Holds nothing but a path; the file system orders what several threads and processes do.
struct PartitionFolder: Sendable {
    /// A writer that has not renamed its file for this long is dead.
    static let abandonedAfterSeconds = 3600
    private static let temporaryPrefix = ".amp4ec-writing-"

    struct Entry {
        var file: PartitionFile
        /// Nanoseconds since 1970.
        var lastUse: Int
        /// Header included.
        var diskByteCount: Int
    }

    let path: String
    /// Whose the files are that this process makes here: its own user, or whom a network's file system takes it for.
    private var user = geteuid()

    /// Makes the folder (and its parents) and proves that files can be made in it.
    init(path: String) throws(StoreError) {
        self.path = path
        if let (folder, failure) = FolderMaking.make(path) { throw Self.folderError("make", folder, failure) }
        let trial = temporaryPath()
        let descriptor = open(trial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.folderError("write into", path, errno) }
        var information = stat()
        if fstat(descriptor, &information) == 0 { user = information.st_uid }
        close(descriptor)
        unlink(trial)
        removeAbandoned()
    }

    /// The file of a key: its digest, because a toolchain's name may hold anything.
    func filePath(of key: PartitionKey) -> String {
        let canonical = "\(key.modelDigest)\n\(key.firstLayer)\n\(key.endLayer)\n\(key.toolchain)\n\(key.optimization.rawValue)"
        return "\(path)/\(SHA256.hexDigest(of: canonical))\(PartitionFile.suffix)"
    }

    /// Every valid file that may be trusted; invalid ones are removed, each with a warning.
    func entries(warn: (String) -> Void) -> [Entry] {
        names().compactMap { name in
            guard name.hasSuffix(PartitionFile.suffix) else { return nil }
            return entry(at: "\(path)/\(name)", isFound: true, warn: warn)
        }
    }

    /// The file of a key, if it may be trusted: it was found, not written.
    func entry(of key: PartitionKey, warn: (String) -> Void) -> Entry? {
        guard let entry = entry(at: filePath(of: key), isFound: true, warn: warn), entry.file.key == key else { return nil }
        return entry
    }

    /// Why a file that this process has not written may hold anybody's code; `nil` where it may not.
    private func distrust(_ information: stat) -> String? {
        if information.st_uid != user, information.st_uid != 0 {
            return "it belongs to user \(information.st_uid), not to \(user)"
        }
        return information.st_mode & S_IWOTH != 0 ? "everybody may write it" : nil
    }

    /// - Parameter isFound: it was found, not written.
    private func entry(at file: String, isFound: Bool, warn: (String) -> Void) -> Entry? {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return nil }
        if isFound, let why = distrust(information) {
            warn(
                "\(file) is not used: \(why), so its code may be anybody's; remove it, or give --cache-dir a folder of this user's own"
            )
            return nil
        }
        var header = [UInt8](repeating: 0, count: min(PartitionFile.headerByteCount, Int(information.st_size)))
        let isRead = header.withUnsafeMutableBytes { WholeRead.read(descriptor, into: $0).count == $0.count }
        switch isRead
            ? PartitionFile.decode(header: header, fileByteCount: Int(information.st_size)) : .invalid("it cannot be read")
        {
        case .valid(let found):
            // A file's time is whatever somebody has set: beyond 292 years it is the latest or the earliest.
            let (seconds, isFar) = information.st_mtim.tv_sec.multipliedReportingOverflow(by: 1_000_000_000)
            let lastUse = isFar ? (information.st_mtim.tv_sec < 0 ? Int.min : Int.max) : seconds &+ information.st_mtim.tv_nsec
            return Entry(file: found, lastUse: lastUse, diskByteCount: Int(information.st_size))
        case .otherVersion(let version):
            warn("\(file) is of format version \(version) and is left alone; this worker reads version 1")
            return nil
        case .invalid(let reason):
            warn("\(file) is removed: \(reason)")
            unlink(file)
            return nil
        }
    }

    /// The archive's bytes, or nil where they are not those that were received or found before; a file whose bytes are not those of its own
    /// digest is removed with a warning.
    /// - Parameter digest: of the bytes that came, or of those in the file when it was found: it may have been exchanged since.
    func read(_ key: PartitionKey, digest: String, warn: (String) -> Void) -> TensorStorage? {
        let file = filePath(of: key)
        guard let entry = entry(at: file, isFound: false, warn: warn), entry.file.key == key else { return nil }
        guard entry.file.contentDigest == digest else {
            warn("\(file) is not used: it holds another archive than the one that was put there")
            return nil
        }
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let storage = TensorStorage(byteCount: entry.file.byteCount)
        let (count, _) = WholeRead.read(descriptor, into: storage.mutableBytes, at: PartitionFile.headerByteCount)
        guard count == storage.byteCount,
            SHA256.hexDigest(of: storage.bytes) == entry.file.contentDigest
        else {
            warn("\(file) is removed: its bytes are not those of its digest")
            unlink(file)
            return nil
        }
        // A failure only makes the file look older than it is.
        _ = utimensat(AT_FDCWD, file, nil, 0)
        return storage
    }

    func write(_ file: PartitionFile, _ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        guard let header = file.header() else {
            throw StoreError(
                .invalidKey, "the partition \(file.key) cannot be cached on disk: its key holds control characters or is too long")
        }
        let failure = FileReplacement.write(
            filePath(of: file.key), by: temporaryPath(), [{ header.withUnsafeBytes($0) }, { $0(bytes) }])
        if let failure { throw Self.folderError("write into", path, failure) }
        flushFolder()
    }

    func remove(_ key: PartitionKey) { unlink(filePath(of: key)) }

    // MARK: - Files

    /// Makes the rename itself outlive a power cut.
    private func flushFolder() {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    private func temporaryPath() -> String { "\(path)/\(Self.temporaryPrefix)\(getpid())-\(UInt64.random(in: 0...UInt64.max))" }

    private func names() -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let item = readdir(folder) {
            names.append(
                withUnsafePointer(to: &item.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    private func removeAbandoned() {
        let now = time(nil)
        for name in names() where name.hasPrefix(Self.temporaryPrefix) {
            var information = stat()
            if stat("\(path)/\(name)", &information) == 0, information.st_mtim.tv_sec < now - Self.abandonedAfterSeconds {
                unlink("\(path)/\(name)")
            }
        }
    }

    private static func folderError(_ verb: String, _ path: String, _ code: Int32) -> StoreError {
        StoreError(
            .folder,
            "cannot \(verb) the cache folder \(path): \(String(cString: strerror(code))); give --cache-dir a folder that this user can write, or leave it out"
        )
    }
}
