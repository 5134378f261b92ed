internal import NIOCore
public import Shell

/// Why there is no HTTP server.
public struct GatewayError: ExitStatusProviding, CustomStringConvertible {
    public let exitStatus: ExitStatus
    public let message: String
    public var description: String { message }

    package init(_ exitStatus: ExitStatus = .failure, _ message: String) {
        self.exitStatus = exitStatus
        self.message = message
    }

    init(host: String, port: UInt16, _ cause: any Error) {
        let place = "--http: cannot listen on \(host.contains(":") ? "[\(host)]" : host):\(port)"
        exitStatus = .failure
        switch (cause as? IOError)?.errnoCode {
        case Self.addressInUse?:
            message =
                "\(place): port \(port) is in use; stop the process that listens there (ss -ltnp 'sport = :\(port)' shows it), "
                + "or choose another port, or 0 for any free one"
        case Self.notPermitted?: message = "\(place): port \(port) needs a privilege; choose one from 1024 on"
        default: message = "\(place): \(cause)"
        }
    }
}
