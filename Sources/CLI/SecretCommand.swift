internal import ArgumentParser
internal import Base
internal import Files
internal import Glibc
internal import Shell
internal import Transport

struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret",
        abstract: "Makes the keys that a cluster's connections are encrypted with, or says what a key file is.",
        discussion: """
            Without options it makes a root key and puts it where everything that this user starts on this machine finds it: \
            ~/.config/amp4ec/secret ($XDG_CONFIG_HOME is heeded). All other keys are derived from the root, one way and the same each time: \
            give the root to the coordinator, a cluster key to workers, an operator key to who drains workers and loads models, a client key \
            to applications.

              amp4ec secret --derive cluster --output worker.key
              amp4ec secret --derive client --label laptop --output laptop.key

            Derived keys and HTTP tokens go to stdout without --output. A file is made with mode 0600, and one that is there is never \
            overwritten.

            Exit: 0 done, 64 wrong usage or no root key, 65 a file is bad or cannot be written.
            """)

    enum Derived: String, CaseIterable, ExpressibleByArgument { case cluster, `operator`, client }

    @Option(help: ArgumentHelp("Derive such a key from the root key.", valueName: "kind"))
    var derive: Derived?

    @Option(help: ArgumentHelp("Make a line of random bytes for the coordinator's --http-token-file.", valueName: "role"))
    var httpToken: SecretText.TokenRole?

    @Option(help: ArgumentHelp("Say what a key file is, and whether it can be used.", valueName: "file"))
    var check: String?

    @Option(help: ArgumentHelp("With --derive or --http-token: whose it is, to be told apart and revoked.", valueName: "name"))
    var label: String?

    @Option(help: ArgumentHelp("Where it goes; - is stdout.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("With --derive: the root key, if it is in none of the usual places.", valueName: "file"))
    var clusterSecretFile: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    private func checkOptions() throws {
        guard [derive != nil, httpToken != nil, check != nil].filter(\.self).count <= 1 else {
            throw ValidationError("give one of --derive, --http-token and --check")
        }
        if check != nil, output != nil { throw ValidationError("--check makes nothing; leave --output out") }
        if label != nil, derive == nil, httpToken == nil { throw ValidationError("--label belongs to --derive or --http-token") }
        if clusterSecretFile != nil, derive == nil {
            throw ValidationError("--cluster-secret-file says what --derive derives from; for a look at a file give --check FILE")
        }
        if let label, let problem = ClusterKey.problem(withLabel: label, of: derive?.kind ?? .client) {
            throw ValidationError("--label '\(label)': \(problem)")
        }
    }

    func run() throws {
        try checkUsage(checkOptions)
        if let check { return try examine(check) }
        let made = try make()
        if output == nil, made.key?.kind == .root { return try keepAtHome(made) }
        if let output, output != "-" { return try put(made, into: output) }
        if json { try JSONOutput.print(made.report(showing: true)) } else { StandardStream.output.writeLine(made.text) }
    }

    private func make() throws(CommandFailure) -> SecretText {
        do {
            if let httpToken { return SecretText(token: httpToken, label: label, bytes: RandomBits.bytes(ClusterKey.byteCount)) }
            guard let derive else { return SecretText(try ClusterKey(rootOf: RandomBits.bytes(ClusterKey.byteCount))) }
            let root = try root()
            return SecretText(try root.key.derived(derive.kind, label: label))
        } catch let failure as CommandFailure { throw failure } catch { throw CommandFailure(.badData, "\(error)") }
    }

    private func root() throws(CommandFailure) -> KeyFile {
        let places = KeyPlaces(options: clusterSecretFile.map { [$0] } ?? [], environment: ProcessEnvironment.current)
        let found: [KeyFile]
        do { found = try places.find() } catch { throw CommandFailure(.badData, error.message) }
        guard let file = found.first else {
            throw CommandFailure(
                .usage, "there is no root key to derive from; give --cluster-secret-file FILE, or make one first: amp4ec secret")
        }
        guard file.key.kind == .root else {
            throw CommandFailure(
                .badData,
                "\(file.path): it is a \(file.key.kind.rawValue) key, and other keys are derived from the root key alone; give that with --cluster-secret-file"
            )
        }
        return file
    }

    // MARK: Files

    private func keepAtHome(_ made: SecretText) throws {
        guard let path = KeyPlaces(options: [], environment: ProcessEnvironment.current).homePath else {
            throw CommandFailure(.usage, "HOME is not set, so there is no usual place for the key; give --output FILE")
        }
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
        // Nobody else has business in it.
        if let (folder, failure) = FolderMaking.make(folder, mode: 0o700) { throw FileBytes.unwritable(folder, failure) }
        try put(made, into: path)
        guard !json else { return }
        StandardStream.output.write(
            """
            What you start on this machine from now on uses it. Elsewhere the coordinator needs a copy, and workers this:
              amp4ec secret --derive cluster --output FILE

            """)
    }

    private func put(_ made: SecretText, into path: String) throws {
        let failure = FileCreation.write(path, mode: 0o600, [{ Array("\(made.text)\n".utf8).withUnsafeBytes($0) }])
        if failure == EEXIST {
            throw CommandFailure(
                .badData,
                "\(path): it is there already and stays as it is; amp4ec secret --check \(path) says what it is, --output FILE takes another name"
            )
        }
        if let failure { throw FileBytes.unwritable(path, failure) }
        var report = made.report(showing: false)
        report.file = path
        if json { try JSONOutput.print(report) } else { StandardStream.output.write("made \(path)\n" + report.lines) }
    }

    private func examine(_ path: String) throws {
        let found: (key: ClusterKey, mode: UInt32)
        do { found = try KeyFile.inspect(path) } catch {
            throw CommandFailure(.badData, "\(path): \(error.reason); \(error.fix)")
        }
        let problem = KeyFile.isMounted(path) ? nil : KeyFile.problem(withMode: found.mode, of: path)
        var report = SecretText(found.key).report(showing: false)
        report.file = path
        report.mode = KeyFile.octal(found.mode)
        report.problem = problem?.reason
        if json { try JSONOutput.print(report) } else { StandardStream.output.write("\(path)\n" + report.lines) }
        if let problem { throw CommandFailure(.badData, "\(path): \(problem.reason); \(problem.fix)") }
    }
}

extension SecretCommand.Derived {
    var kind: ClusterKey.Kind {
        switch self {
        case .cluster: .cluster
        case .operator: .operator
        case .client: .client
        }
    }
}
