import Confinement
import Glibc
import Loops
import Synchronization
import Testing

/// What a confined thread of this very process may and may not do.
@Suite("confinement")
struct ConfinementTests {
    /// Runs the body on a thread that was confined first.
    private static func confined<Result: Sendable>(
        _ folders: [String], _ body: @escaping @Sendable (Confinement.Outcome) -> Result
    ) throws -> Result {
        let outcome = Mutex(Confinement.Outcome())
        let result = Mutex(Result?.none)
        let queue = try TaskQueue(name: "confined", threadCount: 1, capacity: 1) {
            outcome.withLock { $0 = Confinement(writableFolders: folders).confineThread() }
        }
        queue.submit {
            let value = body(outcome.withLock { $0 })
            result.withLock { $0 = value }
        }
        queue.shutDown()
        return try #require(result.withLock { $0 })
    }

    /// What this machine's kernel has; a container may forbid either.
    private static let available = (try? confined([]) { $0 }) ?? .init()
    private static let hasFilter = available.parts.contains("seccomp")
    private static let hasLandlock = available.parts.contains { $0.hasPrefix("landlock v") }

    /// 0 where the call went well, else why not.
    private static func code<Count: BinaryInteger>(_ call: () -> Count) -> Int32 { call() < 0 ? errno : 0 }

    private static func opened(_ path: String, _ flags: Int32) -> Int32 {
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        if flags & O_ACCMODE != O_RDONLY { return code { write(descriptor, "x", 1) } }
        var byte: UInt8 = 0
        return code { read(descriptor, &byte, 1) }
    }

    @Test("each part is there, or it is said why not")
    func outcome() {
        #expect(Self.available.parts.count + Self.available.missing.count == 2, "\(Self.available)")
        #expect(Self.available.parts.isEmpty == (Self.available.summary == "none"))
    }

    @Test("no sockets, programs, traces, keys or signals to others; the rest of the process has them", .enabled(if: hasFilter))
    func filtered() throws {
        let codes = try Self.confined([]) { _ in
            var pair: [Int32] = [0, 0]
            var process: pid_t = 0
            let nothing: [UnsafeMutablePointer<CChar>?] = [nil]
            return [
                "socket": Self.code { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) },
                "unix": Self.code { socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0) },
                "socketpair": Self.code { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) },
                "connect": Self.code { connect(-1, nil, 0) }, "bind": Self.code { bind(-1, nil, 0) },
                "listen": Self.code { listen(-1, 1) }, "accept": Self.code { accept(-1, nil, nil) },
                "send": Self.code { send(-1, "x", 1, 0) },
                // Not there: the filter answers before anybody looks.
                "execve": Self.code { execve("/no/such/program", nothing, nothing) },
                "spawn": posix_spawn(&process, "/bin/true", nil, nil, nothing, nothing),
                "signal": Self.code { kill(getppid(), 0) }, "everybody": Self.code { kill(-1, 0) },
                "chmod": Self.code { chmod("/no/such/file", 0o777) }, "chroot": Self.code { chroot("/") },

            ]
        }
        #expect(codes.filter { $0.value != EPERM } == [:])
        // The thread that did not ask for it is as free as before.
        let free = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #expect(free >= 0)
        close(free)
    }

    @Test("signals to the own process, threads, and machine code made on the way are allowed")
    func computing() throws {
        let answer = try Self.confined([]) { _ -> [Int32] in
            let isAlive = kill(getpid(), 0) == 0 && pthread_kill(pthread_self(), 0) == 0
            // A thread that is started here is confined as well.
            let inner = Mutex<Int32>(-1)
            guard let queue = try? TaskQueue(name: "inner", threadCount: 1, capacity: 1) else { return [] }
            queue.submit { inner.withLock { $0 = Self.code { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) } } }
            queue.shutDown()
            return [isAlive ? 1 : 0, inner.withLock { $0 }, Self.madeCode() ?? -1]
        }
        #expect(answer == [1, Self.hasFilter ? EPERM : 0, 42])
    }

    /// A function of machine code that gives 42, as an optimiser makes them.
    private static func madeCode() -> Int32? {
        #if arch(x86_64)
            let code: [UInt8] = [0xB8, 42, 0, 0, 0, 0xC3]
        #else
            let code: [UInt8] = [0x40, 0x05, 0x80, 0x52, 0xC0, 0x03, 0x5F, 0xD6]
        #endif
        guard let page = mmap(nil, 4_096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page != MAP_FAILED else {
            return nil
        }
        defer { munmap(page, 4_096) }
        page.copyMemory(from: code, byteCount: code.count)
        guard mprotect(page, 4_096, PROT_READ | PROT_EXEC) == 0 else { return nil }
        return unsafeBitCast(page, to: (@convention(c) () -> Int32).self)()
    }

    @Test("files are written in the named folder alone, and read everywhere", .enabled(if: hasLandlock))
    func files() throws {
        var template = Array("/tmp/amp4ec-confinement-XXXXXX".utf8CString)
        let root = try #require(mkdtemp(&template).map { String(cString: $0) })
        let (inside, outside) = ("\(root)/inside", "\(root)/outside")
        mkdir(inside, 0o700)
        mkdir(outside, 0o700)
        #expect(Self.opened("\(outside)/old", O_WRONLY | O_CREAT) == 0)
        defer {
            for name in ["outside/old", "inside/new", "inside/renamed"] { unlink("\(root)/\(name)") }
            for name in ["inside", "outside"] { rmdir("\(root)/\(name)") }
            rmdir(root)
        }
        let codes = try Self.confined([inside]) { _ in
            [
                "write": Self.opened("\(inside)/new", O_WRONLY | O_CREAT | O_EXCL),
                "rename": Self.code { rename("\(inside)/new", "\(inside)/renamed") },
                "shorten": Self.opened("\(inside)/renamed", O_WRONLY | O_TRUNC),
                "date": Self.code { utimensat(AT_FDCWD, "\(inside)/renamed", nil, 0) },
                "remove": Self.code { unlink("\(inside)/renamed") }, "null": Self.opened("/dev/null", O_WRONLY),
                "read outside": Self.opened("\(outside)/old", O_RDONLY), "read": Self.opened("/proc/self/maps", O_RDONLY),
            ]
        }
        #expect(codes.filter { $0.value != 0 } == [:])
        let refused = try Self.confined([inside]) { _ in
            [
                "make": Self.opened("\(outside)/new", O_WRONLY | O_CREAT),
                "write": Self.opened("\(outside)/old", O_WRONLY), "append": Self.opened("\(outside)/old", O_RDWR | O_APPEND),
                "remove": Self.code { unlink("\(outside)/old") }, "folder": Self.code { mkdir("\(outside)/folder", 0o700) },
                "rename": Self.code { rename("\(outside)/old", "\(outside)/moved") },
                "link": Self.code { symlink("x", "\(outside)/link") }, "memory": Self.opened("/proc/self/mem", O_WRONLY),
                "remove folder": Self.code { rmdir(outside) },
            ]
        }
        #expect(refused.filter { $0.value != EACCES } == [:])
        // Another folder's file does not come in, nor out.
        let moved = try Self.confined([inside]) { _ in Self.code { rename("\(outside)/old", "\(inside)/old") } }
        #expect(moved == EACCES || moved == EXDEV)
        #expect(Self.opened("\(outside)/free", O_WRONLY | O_CREAT) == 0)
        unlink("\(outside)/free")
    }

    @Test("a folder that is not there: no Landlock rather than a cache that cannot be written, and it is said")
    func missingFolder() throws {
        let outcome = try Self.confined(["/no/such/folder"]) { $0 }
        #expect(outcome.parts == (Self.hasFilter ? ["seccomp"] : []))
        #expect(outcome.missing.contains { $0.hasPrefix("landlock: ") }, "\(outcome)")
        if Self.hasLandlock { #expect(outcome.missing.first?.contains("/no/such/folder cannot be opened") == true, "\(outcome)") }
    }
}
