internal import AMP4ECClient
internal import ArgumentParser
internal import Base
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

/// How the coordinator is reached; shared by the commands that talk to one.
struct ClientOptions: ParsableArguments {
    static let defaultCoordinator = HostPort(host: "127.0.0.1", port: 9100)
    static let defaultDeadline = Duration.seconds(60)

    @Option(
        name: .customLong("coordinator"),
        help: ArgumentHelp("The coordinator's address. (default: \(defaultCoordinator))", valueName: "addr"))
    private var givenCoordinator: HostPort?
    var coordinator: HostPort { givenCoordinator ?? Self.defaultCoordinator }

    @Option(
        name: .customLong("deadline"),
        help: ArgumentHelp("Time that each request may take. (default: \(defaultDeadline.optionText))", valueName: "time"))
    private var givenDeadline: Duration?
    var deadline: Duration { givenDeadline ?? Self.defaultDeadline }

    @Option(help: .clusterSecret)
    var clusterSecretFile: [String] = []

    @Flag(help: .insecure)
    var insecure = false

    func validate() throws {
        guard deadline > .zero else { throw ValidationError("--deadline is a time above 0, such as 60s") }
        guard coordinator.port > 0 else { throw ValidationError("--coordinator needs a port, such as gateway:9100") }
    }

    /// The first of them that was given, for commands that may need no coordinator.
    var given: String? {
        if givenCoordinator != nil { return "--coordinator" }
        if givenDeadline != nil { return "--deadline" }
        if !clusterSecretFile.isEmpty { return "--cluster-secret-file" }
        return insecure ? "--insecure" : nil
    }

    /// - Parameters:
    ///   - patience: connections tried before a command gives up; `nil` until the deadline.
    ///   - alternative: what else to do where no coordinator answers.
    func makeClient(patience: Int? = 3, alternative: String? = nil) throws -> AMP4ECClient {
        // Here, and not by the library: so that a bad key ends the command as a bad file does.
        let access = try ClusterAccess(
            options: clusterSecretFile, environment: ProcessEnvironment.current, for: .client, insecure: insecure)
        var options = AMP4ECClient.Options()
        options.name = "amp4ec"
        options.deadline = deadline
        options.maximumConnectFailures = patience
        options.remedy =
            "start amp4ec-coordinator there, or give its address with --coordinator\(alternative.map { ", or \($0)" } ?? "")"
        options.allowsPublicPlainText = insecure
        options.given = access.security
        do { return try AMP4ECClient(coordinator: coordinator.description, options: options) } catch {
            throw CommandFailure(error, invalidArgument: .usage)
        }
    }

    /// Asks the coordinator which model it serves; it is an error when no coordinator answers.
    func model() async throws -> ModelManifest {
        let client = try makeClient()
        defer { client.close() }
        return try await reporting { () throws(ClientError) in try await client.model() }
    }
}

extension CommandFailure {
    /// - Parameter invalidArgument: `.usage` where what was refused is an argument of the command, not a file.
    init(_ error: ClientError, invalidArgument: ExitStatus = .badData) {
        self.init(ExitStatus(error.code, invalidArgument: invalidArgument), error.message)
    }
}

/// Runs `body` with client errors turned into the command's exit statuses.
func reporting<Value>(
    invalidArgument: ExitStatus = .badData, _ body: () async throws(ClientError) -> Value
) async throws(CommandFailure) -> Value {
    do { return try await body() } catch { throw CommandFailure(error, invalidArgument: invalidArgument) }
}

/// Checks options that belong together. `run` calls it, because the parser calls `validate` before it notices that an option does not exist,
/// and would then name the wrong one.
/// - Throws: ``CommandFailure`` (wrong usage) in place of a `ValidationError`.
func checkUsage(_ check: () throws -> Void) throws {
    do { try check() } catch let error as ValidationError { throw CommandFailure(.usage, error.message) }
}

/// The values of `--spec`.
func inputSpecs(_ texts: [String]) throws(CommandFailure) -> [TensorSpec] {
    do { return try texts.map { text throws(TensorError) in try TensorSpec(parsing: text) } } catch {
        throw CommandFailure(.usage, "--spec: \(error)")
    }
}

/// What `--output` may be called.
func checkName(ofOutput path: String) throws(ValidationError) {
    guard path.hasSuffix(".npz") || path.hasSuffix(".npy") else {
        throw ValidationError("--output \(path): name a .npz, or a .npy for a single output")
    }
}
