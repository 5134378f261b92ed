public import Base

/// The places where a process looks for its key; the first that has one is taken.
///
/// 1. `--cluster-secret-file`. Given twice, the first is used and both are accepted: a rotation.
/// 2. The file that `AMP4EC_CLUSTER_SECRET_FILE` names. Empty counts as not given, as `${NAME:-}` in a compose file makes it.
/// 3. ``mountedPath``.
/// 4. `amp4ec/secret` in the user's configuration folder: `$XDG_CONFIG_HOME`, or else `$HOME/.config`.
///
/// What one user starts on one machine therefore agrees, servers and commands alike. A path that was given must be there; the last two may be
/// missing, but a file that is there and cannot be used is an error: a process that goes on without it would talk in plain text.
public struct KeyPlaces: Sendable {
    public static let option = "--cluster-secret-file"
    public static let environmentVariable = "AMP4EC_CLUSTER_SECRET_FILE"
    /// Where Docker Compose, Swarm and Kubernetes mount a secret of that name.
    public static let mountedPath = "/run/secrets/amp4ec_cluster_secret"
    /// One to use, one that peers may still or already have.
    public static let optionLimit = 2

    private let options: [String]
    private let environmentPath: String?
    private let mountedPath: String
    /// `nil` where the environment names no home.
    public let homePath: String?

    public init(options: [String], environment: [String: String], mountedPath: String = Self.mountedPath) {
        self.options = options
        environmentPath = environment[Self.environmentVariable].flatMap { $0.isEmpty ? nil : $0 }
        self.mountedPath = mountedPath
        homePath = Self.homePath(environment)
    }

    /// The keys: one to use, then those that are accepted too. Empty where there is none in any place.
    /// - Throws: an error whose message names the path and the fix, and no part of what is in the file.
    public func find() throws(ValueError) -> [KeyFile] {
        guard options.count <= Self.optionLimit else {
            throw ValueError(
                "\(Self.option) is given \(options.count) times; give it once, or twice while keys are changed: the first is used, both are accepted"
            )
        }
        if !options.isEmpty { return try options.map { path throws(ValueError) in try KeyFile.read(path, at: .option) } }
        if let environmentPath { return [try KeyFile.read(environmentPath, at: .environment)] }
        for (path, place) in [(mountedPath, KeyPlace.mounted), (homePath, .home)] {
            guard let path, try isThere(path) else { continue }
            return [try KeyFile.read(path, at: place)]
        }
        return []
    }

    private func isThere(_ path: String) throws(ValueError) -> Bool {
        do { return try KeyFile.isAnything(at: path) } catch {
            throw ValueError(
                "the cluster secret \(path): \(error.reason); let the user of this process into the folder, or give the key with \(Self.option)",
                reason: error.reason)
        }
    }

    /// The base directory specification says that a relative path, as an empty one, is none.
    private static func homePath(_ environment: [String: String]) -> String? {
        for (name, folder) in [("XDG_CONFIG_HOME", ""), ("HOME", "/.config")] {
            guard let start = environment[name], start.hasPrefix("/") else { continue }
            return (start.hasSuffix("/") ? String(start.dropLast()) : start) + folder + "/amp4ec/secret"
        }
        return nil
    }
}
