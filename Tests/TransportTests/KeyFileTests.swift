import Base
import Glibc
import Testing
import Transport

@Suite struct KeyFileTests {
    /// A folder that goes with the test.
    private final class Folder {
        let path: String

        init() throws {
            var template = Array("/tmp/amp4ec-keys-XXXXXX".utf8CString)
            path = String(cString: try #require(mkdtemp(&template)))
        }

        deinit { _ = KeyFileTests.system("rm -r \(path)") }

        /// Puts a file there, through folders that may not be there yet.
        @discardableResult func put(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws -> String {
            let file = "\(path)/\(name)"
            let parts = name.split(separator: "/").dropLast()
            for count in 0..<parts.count { mkdir("\(path)/" + parts.prefix(count + 1).joined(separator: "/"), 0o700) }
            let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            try #require(descriptor >= 0)
            defer { close(descriptor) }
            try #require(write(descriptor, bytes, bytes.count) == bytes.count)
            // The mask would take bits away from a mode that is given to `open`.
            try #require(fchmod(descriptor, mode) == 0)
            return file
        }
    }

    private static func system(_ command: String) -> Int32 {
        guard let pipe = popen(command, "r") else { return -1 }
        return pclose(pipe)
    }

    private static let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    private static func text(_ kind: ClusterKey.Kind) -> [UInt8] { Array("amp4ec-\(kind.rawValue):\(secret)\n".utf8) }

    /// A file that is refused: how it is made in a folder, and what is said of it.
    struct Bad: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]?
        var make = ""
        let reason: String
        var fix = "amp4ec secret"
    }

    /// `make` is for the shell, in the folder, with FILE for the path.
    static let bad = [
        Bad(testDescription: "missing", bytes: nil, reason: "it is not there", fix: "amp4ec secret --output FILE"),
        Bad(testDescription: "a folder", bytes: nil, make: "mkdir FILE", reason: "it is a folder", fix: "path of the file"),
        Bad(testDescription: "a pipe", bytes: nil, make: "mkfifo -m 600 FILE", reason: "no regular file", fix: "path of the file"),
        Bad(
            testDescription: "a device", bytes: nil, make: "ln -s /dev/zero FILE", reason: "no regular file",
            fix: "path of the file"),
        Bad(
            testDescription: "a link to nothing", bytes: nil, make: "ln -s nothing FILE", reason: "not there",
            fix: "remove the link"),
        Bad(testDescription: "a link to itself", bytes: nil, make: "ln -s FILE FILE", reason: "cannot be read", fix: "readable"),
        Bad(testDescription: "empty", bytes: [], reason: "it is empty"),
        Bad(testDescription: "short", bytes: Array("amp4ec-root:\(secret.dropLast(3))".utf8), reason: "bytes; it has from 32"),
        Bad(testDescription: "no kind", bytes: Array(secret.utf8), reason: "begins with none of"),
        Bad(
            testDescription: "1 MiB", bytes: [UInt8](repeating: 65, count: 1 << 20), reason: "1048576 bytes, a key has at most 256"),
        Bad(testDescription: "257 bytes", bytes: text(.root) + [UInt8](repeating: 10, count: 201), reason: "257 bytes"),
        Bad(testDescription: "binary", bytes: (0..<32).map { 0xC0 ^ $0 }, reason: "it is not text"),
        Bad(testDescription: "a key and something", bytes: text(.root) + Array("x".utf8), reason: "not base64url"),
        Bad(
            testDescription: "world-readable", bytes: text(.root), make: "chmod 644 FILE", reason: "can read it (its mode is 0644)",
            fix: "chmod 600 FILE"),
        Bad(
            testDescription: "group-readable", bytes: text(.root), make: "chmod 440 FILE", reason: "can read it (its mode is 0440)",
            fix: "chmod 600 FILE"),
        Bad(
            testDescription: "writable", bytes: text(.root), make: "chmod 602 FILE", reason: "can write it (its mode is 0602)",
            fix: "chmod 600 FILE"),
    ]

    @Test(
        "a bad file is refused with its path and the fix, and nothing of what is in it", arguments: bad,
        [KeyPlace.option, .environment, .home])
    func refused(_ bad: Bad, at place: KeyPlace) throws {
        let folder = try Folder()
        let file = "\(folder.path)/key"
        if let bytes = bad.bytes { try folder.put("key", bytes) }
        if !bad.make.isEmpty { try #require(Self.system(bad.make.replacing("FILE", with: file)) == 0) }
        let error = #expect(throws: ValueError.self) { try KeyFile.read(file, at: place) }
        let message = error?.message ?? ""
        for part in [file, bad.reason, bad.fix.replacing("FILE", with: file)] { #expect(message.contains(part), "\(message)") }
        #expect(!message.contains(Self.secret.prefix(8)) && !message.contains("AAAAAAAA"), "\(message)")
    }

    @Test("what cannot be read is refused", .enabled(if: geteuid() != 0, "root reads everything"))
    func unreadable() throws {
        let folder = try Folder()
        let file = try folder.put("key", Self.text(.root), mode: 0o000)
        let error = #expect(throws: ValueError.self) { try KeyFile.read(file, at: .option) }
        #expect(error?.message.contains("cannot be read (Permission denied)") == true)
    }

    @Test("a good file is read, with or without a line break, directly or through a link", arguments: ClusterKey.Kind.allCases)
    func good(_ kind: ClusterKey.Kind) throws {
        let folder = try Folder()
        for (name, bytes, mode) in [("a", Self.text(kind), mode_t(0o600)), ("b", Self.text(kind).dropLast(), 0o400)] {
            let file = try folder.put(name, Array(bytes), mode: mode)
            // As Kubernetes mounts one: a link to a file in a folder that is a link.
            let link = "\(folder.path)/link-\(name)"
            try #require(symlink(file, link) == 0)
            for path in [file, link] {
                let found = try KeyFile.read(path, at: .option)
                #expect(found.key.kind == kind && found.path == path && found.place == .option)
                #expect(found.key.secretText == "amp4ec-\(kind.rawValue):\(Self.secret)")
            }
        }
    }

    @Test("a mounted file may have any mode, and only that")
    func mounted() throws {
        let folder = try Folder()
        #expect(try KeyFile.read(folder.put("key", Self.text(.cluster), mode: 0o444), at: .mounted).key.kind == .cluster)
        try #require(mkdir("\(folder.path)/folder", 0o755) == 0)
        #expect(throws: ValueError.self) { try KeyFile.read("\(folder.path)/folder", at: .mounted) }
        #expect(KeyFile.isMounted("/run/secrets/amp4ec_cluster_secret"))
        #expect(KeyFile.isMounted("/run/secrets/mine/..data/key"))
        for path in ["/run/secrets", "run/secrets/key", "/run/secrets/../../tmp/key", "/tmp/run/secrets/key", "/run/secretsx/key"] {
            #expect(!KeyFile.isMounted(path), "\(path)")
        }
    }

    // MARK: Places

    @Test("the first place that has a key is taken, and no other is read")
    func order() throws {
        let folder = try Folder()
        let files = try ["one", "two", "environment", "mounted", ".config/amp4ec/secret"].map {
            try folder.put($0, Self.text(.root))
        }
        let environment = ["HOME": folder.path, KeyPlaces.environmentVariable: files[2]]
        func places(_ options: [String], _ environment: [String: String]) throws -> [String] {
            try KeyPlaces(options: options, environment: environment, mountedPath: files[3]).find().map { "\($0.place) \($0.path)" }
        }
        #expect(try places([files[1], files[0]], environment) == ["option \(files[1])", "option \(files[0])"])
        #expect(try places([files[0]], environment) == ["option \(files[0])"])
        #expect(try places([], environment) == ["environment \(files[2])"])
        #expect(try places([], ["HOME": folder.path, KeyPlaces.environmentVariable: ""]) == ["mounted \(files[3])"])
        try #require(unlink(files[3]) == 0)
        #expect(try places([], ["HOME": folder.path]) == ["home \(files[4])"])
        #expect(try places([], ["HOME": folder.path + "/"]) == ["home \(files[4])"])
        try #require(unlink(files[4]) == 0)
        #expect(try places([], ["HOME": folder.path]) == [])
        #expect(throws: ValueError.self) { try places([files[0], files[1], files[0]], environment) }
    }

    @Test(
        "the home folder is the configuration folder, and none where it is not said",
        arguments: [
            (["XDG_CONFIG_HOME": "/x", "HOME": "/h"], "/x/amp4ec/secret"),
            (["XDG_CONFIG_HOME": "", "HOME": "/h"], "/h/.config/amp4ec/secret"),
            (["XDG_CONFIG_HOME": "x", "HOME": "/h"], "/h/.config/amp4ec/secret"), (["HOME": "/"], "/.config/amp4ec/secret"),
            (["HOME": ""], nil), (["HOME": "h"], nil), ([:], nil),
        ] as [([String: String], String?)])
    func home(_ environment: [String: String], _ path: String?) {
        #expect(KeyPlaces(options: [], environment: environment).homePath == path)
    }

    @Test("a path that was given must be there")
    func given() throws {
        let folder = try Folder()
        let missing = "\(folder.path)/missing"
        try folder.put(".config/amp4ec/secret", Self.text(.root))
        for places in [
            KeyPlaces(options: [missing], environment: ["HOME": folder.path], mountedPath: missing),
            KeyPlaces(
                options: [], environment: ["HOME": folder.path, KeyPlaces.environmentVariable: missing], mountedPath: missing),
        ] {
            let error = #expect(throws: ValueError.self) { try places.find() }
            #expect(error?.message.contains("\(missing)") == true && error?.message.contains("not there") == true)
        }
    }

    /// Each is there in some way: to go on without a key would be to talk in plain text.
    @Test("a file that is there and bad is an error, not no key", arguments: bad.filter { $0.testDescription != "missing" })
    func neverPassedOver(_ bad: Bad) throws {
        for name in ["mounted", ".config/amp4ec/secret"] {
            let folder = try Folder()
            let file = "\(folder.path)/\(name)"
            try folder.put(".config/amp4ec/other", [])
            if let bytes = bad.bytes { try folder.put(name, bytes) }
            if !bad.make.isEmpty { try #require(Self.system(bad.make.replacing("FILE", with: file)) == 0) }
            let places = KeyPlaces(options: [], environment: ["HOME": folder.path], mountedPath: "\(folder.path)/mounted")
            // The mode of a mounted file is the orchestrator's.
            if name == "mounted", bad.make.hasPrefix("chmod") {
                #expect(try places.find().map(\.place) == [.mounted])
            } else {
                let error = #expect(throws: ValueError.self) { try places.find() }
                #expect(error?.message.contains(file) == true && error?.message.contains(bad.reason) == true)
            }
        }
    }

    @Test("a folder that nobody may look into is an error", .enabled(if: geteuid() != 0, "root looks everywhere"))
    func closedFolder() throws {
        let folder = try Folder()
        try folder.put(".config/amp4ec/secret", Self.text(.root))
        try #require(chmod("\(folder.path)/.config", 0o000) == 0)
        defer { chmod("\(folder.path)/.config", 0o700) }
        let places = KeyPlaces(options: [], environment: ["HOME": folder.path], mountedPath: "\(folder.path)/mounted")
        #expect(throws: ValueError.self) { try places.find() }
    }
}
