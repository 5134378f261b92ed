import Glibc
import Inference
import Synchronization
import Tensors
import Testing
import Wire
import Worker

/// Collects the store's warnings.
final class Warnings: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

@Suite("partition archive store")
struct PartitionArchiveStoreTests {
    static func key(_ index: Int, toolchain: String = "1/2.13.0") -> PartitionKey {
        PartitionKey(
            modelDigest: String(repeating: "ab", count: 32), firstLayer: index * 10, endLayer: index * 10 + 10,
            toolchain: toolchain,
            optimization: .o1)
    }

    static func bytes(_ index: Int, count: Int = 100) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 + index * 7) } }

    static func content(_ storage: TensorStorage?) -> [UInt8]? { storage.map { Array($0.bytes) } }

    @discardableResult
    static func put(_ store: PartitionArchiveStore, _ index: Int, count: Int = 100) throws -> [PartitionKey] {
        let bytes = bytes(index, count: count)
        return try store.put(key(index), contentDigest: SHA256.hexDigest(of: bytes), storage: TensorStorage(copying: bytes))
    }

    static func store(limit: Int = 1000, folder: TemporaryFolder? = nil, warnings: Warnings = Warnings()) throws
        -> PartitionArchiveStore
    {
        try PartitionArchiveStore(limitByteCount: limit, folder: folder.map { $0.path + "/cache/deep" }) { warnings.add($0) }
    }

    static func files(_ folder: TemporaryFolder) -> [String] { folder.names("cache/deep") }

    @Test("what is put is found again, in memory and on disk", arguments: [false, true])
    func roundTrip(onDisk: Bool) throws {
        let folder = TemporaryFolder()
        let store = try Self.store(folder: onDisk ? folder : nil)
        #expect(!store.contains(Self.key(1)))
        #expect(store.archive(for: Self.key(1)) == nil)
        #expect(try Self.put(store, 1) == [])
        #expect(store.contains(Self.key(1)))
        #expect(Self.content(store.archive(for: Self.key(1))) == Self.bytes(1))
        #expect(store.inventory().map(\.key) == [Self.key(1)])
        #expect(store.inventory().map(\.byteCount) == [100])
        #expect(Self.files(folder).count == (onDisk ? 1 : 0))
        // An empty archive, and one put twice.
        #expect(try Self.put(store, 2, count: 0) == [])
        #expect(try Self.put(store, 1) == [])
        #expect(Self.content(store.archive(for: Self.key(2))) == [])
        #expect(store.heldByteCount == 100)
    }

    @Test("each part of the key tells partitions apart")
    func distinctKeys() throws {
        let folder = TemporaryFolder()
        let store = try Self.store(folder: folder)
        try Self.put(store, 1)
        let known = Self.key(1)
        let others = [
            PartitionKey(
                modelDigest: String(repeating: "ac", count: 32), firstLayer: 10, endLayer: 20, toolchain: known.toolchain,
                optimization: .o1),
            PartitionKey(
                modelDigest: known.modelDigest, firstLayer: 11, endLayer: 20, toolchain: known.toolchain, optimization: .o1),
            PartitionKey(
                modelDigest: known.modelDigest, firstLayer: 10, endLayer: 21, toolchain: known.toolchain, optimization: .o1),
            PartitionKey(modelDigest: known.modelDigest, firstLayer: 10, endLayer: 20, toolchain: "1/2.14.0", optimization: .o1),
            PartitionKey(
                modelDigest: known.modelDigest, firstLayer: 10, endLayer: 20, toolchain: known.toolchain, optimization: .o0),
        ]
        for other in others { #expect(!store.contains(other), "\(other)") }
    }

    @Test("the least recently used goes first, a pinned one never", arguments: [false, true])
    func eviction(onDisk: Bool) throws {
        let folder = TemporaryFolder()
        let store = try Self.store(limit: 300, folder: onDisk ? folder : nil)
        for index in 1...3 { #expect(try Self.put(store, index) == []) }
        // 1 is used again, so 2 is the oldest; 3 is pinned.
        _ = store.archive(for: Self.key(1))
        store.pin(Self.key(3))
        #expect(try Self.put(store, 4) == [Self.key(2)])
        #expect(try Self.put(store, 5, count: 200) == [Self.key(1), Self.key(4)])
        #expect(store.inventory().map(\.key) == [Self.key(3), Self.key(5)])
        #expect(store.heldByteCount == 300)
        #expect(Self.files(folder).count == (onDisk ? 2 : 0))
        #expect(store.archive(for: Self.key(2)) == nil)
        // Pinned twice, let go once: still pinned.
        store.pin(Self.key(3))
        store.unpin(Self.key(3))
        #expect(try Self.put(store, 6, count: 200) == [Self.key(5)])
        store.unpin(Self.key(3))
        #expect(try Self.put(store, 7, count: 300) == [Self.key(3), Self.key(6)])
    }

    @Test("with no room left the message names sizes and the option, and nothing is lost")
    func noRoom() throws {
        let store = try Self.store(limit: 300)
        try Self.put(store, 1)
        try Self.put(store, 2)
        store.pin(Self.key(1))
        do {
            try Self.put(store, 3, count: 201)
            Issue.record("201 bytes beside 100 pinned ones in 300")
        } catch let error as StoreError {
            #expect(error.code == .noRoom)
            #expect(error.message.contains("has 201 bytes and does not fit --cache-limit 300"))
            #expect(error.message.contains("(100 bytes); raise --cache-limit"))
        }
        #expect(store.inventory().count == 2)
        #expect(throws: StoreError.self) { try Self.put(store, 1, count: 301) }
        #expect(Self.content(store.archive(for: Self.key(1))) == Self.bytes(1))
        #expect(throws: StoreError.self) { try Self.store(limit: 0) }
    }

    @Test("bytes that are not the digest's are refused")
    func wrongDigest() throws {
        let store = try Self.store()
        let digest = SHA256.hexDigest(of: Self.bytes(2))
        do {
            try store.put(Self.key(1), contentDigest: digest, storage: TensorStorage(copying: Self.bytes(1)))
            Issue.record("accepted")
        } catch {
            #expect(error.code == .digestMismatch)
        }
        #expect(!store.contains(Self.key(1)))
    }

    @Test("a restart finds what was there, oldest first, and keeps to a smaller limit")
    func restart() throws {
        let folder = TemporaryFolder()
        do {
            let store = try Self.store(folder: folder)
            for index in 1...3 { try Self.put(store, index) }
            for name in Self.files(folder) { Self.setAge(folder.path + "/cache/deep/" + name, seconds: 1000) }
            // Using 1 makes it the youngest, for the next process too.
            _ = store.archive(for: Self.key(1))
        }
        let same = try Self.store(folder: folder)
        #expect(same.inventory().map(\.key) == [Self.key(1), Self.key(2), Self.key(3)])
        #expect(Self.content(same.archive(for: Self.key(3))) == Self.bytes(3))
        let smaller = try Self.store(limit: 150, folder: folder)
        #expect(smaller.inventory().count == 1)
        #expect(Self.files(folder).count == 1)
    }

    static func setAge(_ path: String, seconds: Int) {
        var times = [timespec(tv_sec: time(nil) - seconds, tv_nsec: 0), timespec(tv_sec: time(nil) - seconds, tv_nsec: 0)]
        utimensat(AT_FDCWD, path, &times, 0)
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var name: String
        var change: @Sendable ([UInt8]) -> [UInt8]
        var warning: String
        var testDescription: String { name }
    }

    static let damages = [
        Damage(name: "truncated in the archive", change: { Array($0.dropLast(30)) }, warning: "it holds 70 bytes of 100"),
        Damage(name: "longer than it says", change: { $0 + [1] }, warning: "it holds 101 bytes of 100"),
        Damage(name: "truncated in the header", change: { Array($0.prefix(200)) }, warning: "its header is incomplete"),
        Damage(name: "empty", change: { _ in [] }, warning: "it is no partition file"),
        Damage(name: "foreign bytes", change: { _ in [UInt8](repeating: 0x50, count: 5000) }, warning: "it is no partition file"),
        Damage(
            name: "header of nonsense", change: { Array("amp4ec-partition 1\n".utf8) + $0.dropFirst(25) },
            warning: "its header is damaged"),
        // What such a file names would go into the worker's welcome, which nobody could read.
        Damage(name: "layers out of order", change: { line(2, "layers 10 0", in: $0) }, warning: "no partition"),
        Damage(name: "a negative layer", change: { line(2, "layers -9 1", in: $0) }, warning: "no partition"),
        Damage(name: "a layer beyond any model", change: { line(2, "layers 0 2000000", in: $0) }, warning: "no partition"),
        Damage(
            name: "a digest that is none", change: { line(5, "digest " + String(repeating: "Z", count: 64), in: $0) },
            warning: "no partition"),
    ]

    /// With another line in the header, whose length stays.
    private static func line(_ number: Int, _ text: String, in bytes: [UInt8]) -> [UInt8] {
        var lines = String(decoding: bytes.prefix(1_024), as: UTF8.self).split(separator: "\n").map(String.init)
        lines[number] = text
        let header = Array((lines.joined(separator: "\n") + "\n").utf8)
        return header + [UInt8](repeating: 0x0a, count: 1_024 - header.count) + bytes.dropFirst(1_024)
    }

    @Test("damaged files are removed with a warning at the start", arguments: damages)
    func damaged(_ damage: Damage) throws {
        let folder = TemporaryFolder()
        try Self.put(Self.store(folder: folder), 1)
        try Self.put(Self.store(folder: folder), 2)
        let victim = try #require(Self.files(folder).first)
        folder.write(damage.change(folder.read("cache/deep/" + victim)), to: "cache/deep/" + victim)
        let warnings = Warnings()
        let store = try Self.store(folder: folder, warnings: warnings)
        #expect(store.inventory().count == 1)
        #expect(Self.files(folder).count == 1)
        #expect(warnings.all.count == 1)
        #expect(warnings.all.first?.contains(victim) == true)
        #expect(warnings.all.first?.contains(damage.warning) == true, "\(warnings.all)")
    }

    @Test("a flipped bit is found when the archive is read")
    func flippedBit() throws {
        let folder = TemporaryFolder()
        let warnings = Warnings()
        let store = try Self.store(folder: folder, warnings: warnings)
        try Self.put(store, 1)
        let name = try #require(Self.files(folder).first)
        var bytes = folder.read("cache/deep/" + name)
        bytes[bytes.count - 1] ^= 1
        folder.write(bytes, to: "cache/deep/" + name)
        #expect(store.archive(for: Self.key(1)) == nil)
        #expect(!store.contains(Self.key(1)))
        #expect(Self.files(folder).isEmpty)
        #expect(warnings.all.first?.contains("its bytes are not those of its digest") == true)
    }

    /// Another archive in the place of the one of key 1, under a header that is right for it.
    private static func exchange(in folder: TemporaryFolder) throws {
        let other = TemporaryFolder()
        let bytes = bytes(9)
        try store(folder: other).put(key(1), contentDigest: SHA256.hexDigest(of: bytes), storage: TensorStorage(copying: bytes))
        let name = try #require(files(other).first)
        folder.write(other.read("cache/deep/" + name), to: "cache/deep/" + name)
    }

    @Test("what was put is read again or nothing: another archive under the same key, put there meanwhile, is not used")
    func exchanged() throws {
        let folder = TemporaryFolder()
        let warnings = Warnings()
        let store = try Self.store(folder: folder, warnings: warnings)
        try Self.put(store, 1)
        try Self.exchange(in: folder)
        #expect(store.archive(for: Self.key(1)) == nil)
        #expect(warnings.all.first?.contains("another archive than the one that was put there") == true, "\(warnings.all)")
        // It comes once more, and is there again.
        try Self.put(store, 1)
        #expect(Self.content(store.archive(for: Self.key(1))) == Self.bytes(1))
    }

    struct Owner: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var warning: String
        var give: @Sendable (String) -> Int32
    }

    static let owners = [
        Owner(testDescription: "everybody may write it", warning: "everybody may write it") { chmod($0, 0o646) },
        Owner(testDescription: "another user's", warning: "it belongs to user 4711") { geteuid() == 0 ? chown($0, 4711, 4711) : 1 },
    ]

    @Test("a file that somebody else may have written is not used, at the start and later, and is left alone", arguments: owners)
    func others(_ owner: Owner) throws {
        let folder = TemporaryFolder()
        let (warnings, early) = (Warnings(), Warnings())
        let store = try Self.store(folder: folder, warnings: early)
        try Self.put(Self.store(folder: folder), 1)
        let name = try #require(Self.files(folder).first)
        // Only root gives files away.
        let given = owner.give("\(folder.path)/cache/deep/\(name)")
        if given == 1 { return }
        #expect(given == 0)
        let late = try Self.store(folder: folder, warnings: warnings)
        for (store, warnings) in [(store, early), (late, warnings)] {
            #expect(!store.contains(Self.key(1)) && store.archive(for: Self.key(1)) == nil && store.inventory().isEmpty)
            #expect(warnings.all.first?.contains(owner.warning) == true, "\(warnings.all)")
        }
        #expect(Self.files(folder) == [name])
        // What comes from the coordinator takes its place.
        try Self.put(late, 1)
        #expect(Self.content(late.archive(for: Self.key(1))) == Self.bytes(1))
        #expect(Self.content(store.archive(for: Self.key(1))) == Self.bytes(1))
    }

    @Test("a link is no archive: its target may be anybody's")
    func link() throws {
        let folder = TemporaryFolder()
        let store = try Self.store(folder: folder)
        try Self.put(Self.store(folder: folder), 1)
        let file = "\(folder.path)/cache/deep/\(try #require(Self.files(folder).first))"
        #expect(rename(file, folder.path + "/elsewhere") == 0 && symlink(folder.path + "/elsewhere", file) == 0)
        #expect(store.archive(for: Self.key(1)) == nil)
    }

    @Test("a user's own files, another version's and fresh writers' are left alone, dead writers' go")
    func foreignFiles() throws {
        let folder = TemporaryFolder()
        try Self.put(Self.store(folder: folder), 1)
        folder.write("my notes", to: "cache/deep/notes.txt")
        folder.write("amp4ec-partition 2\nnew things\n", to: "cache/deep/ff.amp4ec-partition")
        folder.write("half", to: "cache/deep/.amp4ec-writing-1-2")
        folder.write("half", to: "cache/deep/.amp4ec-writing-3-4")
        Self.setAge(folder.path + "/cache/deep/.amp4ec-writing-3-4", seconds: 7200)
        let warnings = Warnings()
        let store = try Self.store(folder: folder, warnings: warnings)
        #expect(store.inventory().count == 1)
        #expect(Self.files(folder).count == 4)
        #expect(!Self.files(folder).contains(".amp4ec-writing-3-4"))
        #expect(warnings.all.count == 1)
        #expect(warnings.all.first?.contains("format version 2") == true)
    }

    @Test("two workers share a folder: what one writes the other finds, and a loss is noticed")
    func sharedFolder() throws {
        let folder = TemporaryFolder()
        let first = try Self.store(folder: folder)
        let second = try Self.store(folder: folder)
        try Self.put(first, 1)
        #expect(second.contains(Self.key(1)))
        #expect(Self.content(second.archive(for: Self.key(1))) == Self.bytes(1))
        try Self.put(second, 1)
        #expect(Self.files(folder).count == 1)
        unlink(folder.path + "/cache/deep/" + Self.files(folder)[0])
        #expect(first.archive(for: Self.key(1)) == nil)
        #expect(!first.contains(Self.key(1)))
    }

    @Test("a folder that cannot be made or written stops the start with the option's name")
    func unusableFolder() {
        let folder = TemporaryFolder()
        folder.write("a file", to: "occupied")
        for path in [folder.path + "/occupied", folder.path + "/occupied/below", "/proc/amp4ec"] {
            do {
                _ = try PartitionArchiveStore(limitByteCount: 10, folder: path) { _ in }
                Issue.record("\(path) was accepted")
            } catch {
                #expect(error.code == .folder)
                #expect(error.message.contains("--cache-dir"))
                #expect(error.message.contains(folder.path + "/occupied") || error.message.contains("/proc/amp4ec"))
            }
        }
    }

    @Test("where the disk refuses later, the partition stays in memory with a warning")
    func diskRefuses() throws {
        let folder = TemporaryFolder()
        let warnings = Warnings()
        let store = try Self.store(folder: folder, warnings: warnings)
        rmdir(folder.path + "/cache/deep")
        try Self.put(store, 1)
        #expect(Self.content(store.archive(for: Self.key(1))) == Self.bytes(1))
        #expect(warnings.all.count == 1)
        #expect(warnings.all.first?.contains("is kept in memory") == true)
        // A key that no header can hold is served from memory too.
        let odd = Self.key(1, toolchain: "two\nlines")
        try store.put(odd, contentDigest: SHA256.hexDigest(of: Self.bytes(3)), storage: TensorStorage(copying: Self.bytes(3)))
        #expect(Self.content(store.archive(for: odd)) == Self.bytes(3))
    }

    @Test("many threads at once leave the index within its limit and every byte right", arguments: [false, true])
    func concurrency(onDisk: Bool) async throws {
        let folder = TemporaryFolder()
        let store = try Self.store(limit: 450, folder: onDisk ? folder : nil)
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    for step in 0..<50 {
                        let index = (worker * 3 + step) % 7
                        _ = try? Self.put(store, index)
                        if let bytes = Self.content(store.archive(for: Self.key((index + 2) % 7))) {
                            #expect(bytes == Self.bytes((index + 2) % 7))
                        }
                    }
                }
            }
        }
        #expect(store.heldByteCount <= 450)
        #expect(store.inventory().count == 4)
    }
}
