package import Base
package import Gateway
package import Shell

/// What `--http` and the options beside it say, with the files read.
package struct GatewaySettings: Sendable {
    package let address: HostPort
    package let access: AccessRules
    package let tls: GatewayTLS?
    /// Tokens are given, and other machines may send them in plain text: worth a warning where the address is not loopback.
    package let refusesPlainTokens: Bool

    /// - Returns: `nil` without `--http`.
    package init?(_ options: CoordinatorOptions) throws(CommandFailure) {
        guard let address = options.http else {
            if let option = Self.firstOption(options) {
                throw CommandFailure(
                    .usage, "\(option) says something of HTTP, which is off; give --http ADDR too, or leave it out")
            }
            return nil
        }
        self.address = address
        do throws(GatewayError) {
            switch (options.httpCertificate, options.httpKey) {
            case (nil, nil): tls = nil
            case (let certificate?, let key?): tls = try GatewayTLS(certificateFile: certificate, keyFile: key)
            case (.some, nil): throw GatewayError(.usage, "--http-tls-cert needs its key; give --http-tls-key FILE too")
            case (nil, .some): throw GatewayError(.usage, "--http-tls-key needs its certificate; give --http-tls-cert FILE too")
            }
            access = try AccessRules(
                tokenFiles: options.httpTokenFiles, acceptsPlainTokens: options.httpInsecure,
                ownNames: [address.host, HostName.current], otherNames: options.httpHosts)
        } catch { throw CommandFailure(error.exitStatus, error.message) }
        refusesPlainTokens = !options.httpTokenFiles.isEmpty && !options.httpInsecure && tls == nil
    }

    private static func firstOption(_ options: CoordinatorOptions) -> String? {
        if !options.httpTokenFiles.isEmpty { return "--http-token-file" }
        if options.httpCertificate != nil { return "--http-tls-cert" }
        if options.httpKey != nil { return "--http-tls-key" }
        if options.httpInsecure { return "--http-insecure" }
        if options.httpMaxBody.bytes != GatewayLimits().inferenceBody { return "--http-max-body" }
        return options.httpHosts.isEmpty ? nil : "--http-host"
    }

    static func refusal(ofName name: String) -> ValueRefusal? {
        AccessRules.problem(withHostName: name).map { ValueRefusal(problem: $0.problem, fix: $0.fix) }
    }
}
