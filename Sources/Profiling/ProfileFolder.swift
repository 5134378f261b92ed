internal import Files
internal import Glibc
internal import Inference

/// The saved profiles of a folder, one file for each ``SavedProfile/Key``.
///
/// A file is written beside its place, flushed and renamed, so that nobody meets half of one. Only files with our suffix are ever looked
/// at or removed.
///
/// ## Concurrency model
/// Holds nothing but a path; the file system orders what several threads do.
public struct ProfileFolder: Sendable {
    /// Models, levels and sizes that are tried out leave one file each; beyond this the one that was used least lately goes.
    public static let maximumFiles = 64
    /// A model of 5,000 layers at 16 sizes of micro-batch is below 50 MiB; a larger file is none of ours.
    public static let maximumByteCount = 64 << 20
    static let suffix = ".amp4ec-profile.json"
    private static let temporaryPrefix = ".amp4ec-writing-"

    public let path: String
    /// Told once for each file that is not used, and for one that cannot be written: its path and why.
    private let warn: @Sendable (_ file: String, _ cause: String) -> Void

    public init(path: String, warn: @escaping @Sendable (_ file: String, _ cause: String) -> Void) {
        self.path = path
        self.warn = warn
    }

    /// The file of a key: the model's digest for people, and a digest of all of it, because a processor's name may hold anything.
    public func filePath(of key: SavedProfile.Key) -> String {
        let canonical = ([key.digest, key.toolchain, key.level, "\(key.microBatch)", key.machine] + key.inputs).joined(
            separator: "\n")
        return "\(path)/\(key.digest.prefix(12))-\(SHA256.hexDigest(of: canonical).prefix(24))\(Self.suffix)"
    }

    /// Whether an earlier start has kept anything about the model.
    func hasAny(of digest: String) -> Bool {
        guard let folder = opendir(path) else { return false }
        defer { closedir(folder) }
        while let item = readdir(folder) {
            if Self.name(of: item).hasPrefix("\(digest.prefix(12))-") { return true }
        }
        return false
    }

    private static func name(of item: UnsafeMutablePointer<dirent>) -> String {
        withUnsafePointer(to: &item.pointee.d_name) { name in
            name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
    }

    /// The profile of the key; `nil` where there is none that can be used.
    public func read(_ key: SavedProfile.Key) -> SavedProfile? {
        let file = filePath(of: key)
        let bytes: [UInt8]
        do {
            guard let found = try Self.contents(of: file) else { return nil }
            bytes = found
        } catch {
            warn(file, error.description)
            return nil
        }
        do {
            let profile = try SavedProfile.decoded(bytes, for: key)
            // The time of last use; a failure only makes it look older than it is.
            _ = utimensat(AT_FDCWD, file, nil, 0)
            return profile
        } catch {
            warn(file, error.description)
            return nil
        }
    }

    /// Keeps the profile. A disk that takes nothing costs the next start its time, and nothing now.
    public func write(_ profile: SavedProfile) {
        let file = filePath(of: profile.key)
        do {
            let bytes = try profile.encoded()
            guard bytes.count <= Self.maximumByteCount else {
                throw SavedProfile.Refusal("it has \(bytes.count) bytes, over the limit of \(Self.maximumByteCount)")
            }
            try store(bytes, as: file)
        } catch {
            warn(file, "it is not kept: \(error)")
            return
        }
        removeOldest()
    }

    /// The file of the key turned out not to be of the model.
    func reject(_ key: SavedProfile.Key, _ cause: String) { warn(filePath(of: key), cause) }

    // MARK: - Files

    /// `nil` where there is no such file.
    private static func contents(of file: String) throws(SavedProfile.Refusal) -> [UInt8]? {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SavedProfile.Refusal("it cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            throw SavedProfile.Refusal("it is no file")
        }
        guard information.st_size <= maximumByteCount else {
            throw SavedProfile.Refusal("it has \(information.st_size) bytes, over the limit of \(maximumByteCount)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
        let (count, failure) = bytes.withUnsafeMutableBytes { WholeRead.read(descriptor, into: $0) }
        if let failure { throw SavedProfile.Refusal("it cannot be read: \(String(cString: strerror(failure)))") }
        return Array(bytes[..<count])
    }

    private func store(_ bytes: [UInt8], as file: String) throws(SavedProfile.Refusal) {
        func failed(_ verb: String, _ reason: Int32) -> SavedProfile.Refusal {
            .init("cannot \(verb): \(String(cString: strerror(reason)))")
        }
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw failed("make \(path)", errno) }
        // A process that ended here left one of this name.
        let temporary = "\(path)/\(Self.temporaryPrefix)\(getpid())"
        unlink(temporary)
        if let failure = FileReplacement.write(file, by: temporary, [{ bytes.withUnsafeBytes($0) }]) {
            throw failed("write into \(path)", failure)
        }
    }

    /// Keeps the files that were used last, and removes what a process left that ended while it wrote.
    private func removeOldest() {
        guard let folder = opendir(path) else { return }
        defer { closedir(folder) }
        var files: [(path: String, seconds: Int, nanoseconds: Int)] = []
        while let item = readdir(folder) {
            let name = Self.name(of: item)
            // The folder belongs to one coordinator, which is not writing now.
            if name.hasPrefix(Self.temporaryPrefix) { unlink("\(path)/\(name)") }
            guard name.hasSuffix(Self.suffix) else { continue }
            var information = stat()
            guard stat("\(path)/\(name)", &information) == 0 else { continue }
            files.append(("\(path)/\(name)", information.st_mtim.tv_sec, information.st_mtim.tv_nsec))
        }
        for file in files.sorted(by: { ($0.seconds, $0.nanoseconds) > ($1.seconds, $1.nanoseconds) }).dropFirst(Self.maximumFiles) {
            unlink(file.path)
        }
    }
}
