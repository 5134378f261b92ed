internal import Glibc

/// The places where a cluster secret may be given, and the check that stops a start that would ignore it in silence.
public enum ClusterSecret {
    public static let option = "--cluster-secret-file"
    public static let environmentVariable = "AMP4EC_CLUSTER_SECRET_FILE"
    /// Where Docker Compose, Swarm and Kubernetes mount a secret of that name.
    public static let mountedPath = "/run/secrets/amp4ec_cluster_secret"

    /// Refuses to start when a secret is given: a user who gives one expects encryption, and this version has none.
    /// - Parameters:
    ///   - option: the value of `--cluster-secret-file`.
    ///   - environment: an empty variable counts as not given, as `${NAME:-}` in a compose file makes it.
    ///   - exists: whether a path exists; the default asks the file system.
    public static func checkNotGiven(
        option path: String?, environment: [String: String], exists: (String) -> Bool = fileExists
    ) throws(CommandFailure) {
        let found: (place: String, remedy: String)? =
            if let path {
                ("\(option) \(path)", "leave \(option) out")
            } else if let path = environment[environmentVariable], !path.isEmpty {
                ("the environment variable \(environmentVariable) (\(path))", "unset \(environmentVariable)")
            } else if exists(mountedPath) {
                ("the file \(mountedPath)", "do not mount the secret amp4ec_cluster_secret")
            } else {
                nil
            }
        guard let found else { return }
        throw CommandFailure(
            .usage,
            "a cluster secret is given by \(found.place), but version \(ProductVersion.current) cannot encrypt connections yet and would "
                + "talk in plain text; \(found.remedy) and keep the processes on a private network")
    }

    /// Whether there is anything at that path.
    public static func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
