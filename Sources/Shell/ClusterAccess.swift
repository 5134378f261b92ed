internal import Base
package import Logging
internal import Loops
package import Transport

/// What a program was given to prove who it is, and what follows for its connections.
package struct ClusterAccess: Sendable {
    package let security: ConnectionSecurity
    /// Where its keys stand; none: plain text.
    private let files: [KeyFile]
    private let revoked: [String]

    /// Looks for the keys where they are given or usually stand.
    /// - Parameters:
    ///   - options: the values of `--cluster-secret-file`.
    ///   - server: what takes connections in this program.
    ///   - revoked: labels of keys that are taken no longer.
    ///   - acceptsPlain: `--accept-plain`.
    ///   - insecure: `--insecure`.
    /// - Throws: 65 where a key cannot be used, 64 where options have no effect without one.
    package init(
        options: [String], environment: [String: String], for owner: KeyRing.Owner, server: PeerRights.Server? = nil,
        revoked: [String] = [], acceptsPlain: Bool = false, insecure: Bool = false
    ) throws(CommandFailure) {
        guard options.count <= KeyPlaces.optionLimit else {
            throw CommandFailure(
                .usage,
                "\(KeyPlaces.option) is given \(options.count) times; give it once, or twice while keys are changed: the first is used, both are accepted"
            )
        }
        for entry in revoked {
            guard let problem = KeyRing.problem(withRevoked: entry) else { continue }
            throw CommandFailure(.usage, "--revoke: \"\(entry)\" is the label of no key: \(problem)")
        }
        self.revoked = revoked
        let objection: @Sendable (SocketAddress) -> String? = {
            PublicAddressPolicy.refusal(ofPeer: $0.hostDescription, insecure: insecure)
        }
        do throws(ValueError) {
            files = try KeyPlaces(options: options, environment: environment).find()
            let tls = try files.isEmpty ? nil : TLSContext(KeyRing(files, for: owner, revoked: Set(revoked)))
            security = ConnectionSecurity(tls: tls, server: server, acceptsPlain: acceptsPlain, plainObjection: objection)
        } catch {
            throw CommandFailure(.badData, error.message)
        }
        guard !files.isEmpty || !acceptsPlain else {
            throw CommandFailure(
                .usage,
                "--accept-plain is for a change to encryption, and there is no key: give \(KeyPlaces.option), or leave it out")
        }
        guard !files.isEmpty || revoked.isEmpty else {
            throw CommandFailure(.usage, "--revoke is about keys, and there is none: give \(KeyPlaces.option), or leave it out")
        }
    }

    /// What a health check proves: any key of the cluster will do.
    package static func ofHealthCheck(options: [String]) throws(CommandFailure) -> ClusterAccess {
        try ClusterAccess(options: options, environment: ProcessEnvironment.current, for: .healthCheck)
    }

    /// The line of the start: how peers are known, or that they are not.
    package func log(to logger: Logger) {
        guard let first = files.first else {
            return logger.warning(
                "no cluster secret: connections are plain text, and peers with public addresses are refused unless --insecure")
        }
        var metadata: Logger.Metadata = ["secret": "\(first.path)", "keys": "\(files.count)"]
        if !revoked.isEmpty { metadata["revoked"] = "\(revoked.joined(separator: ", "))" }
        logger.info("connections are encrypted", metadata: metadata)
        if security.acceptsPlain {
            logger.warning(
                "--accept-plain: peers without a key are taken, and may do everything; leave it out once all processes have one")
        }
    }
}
