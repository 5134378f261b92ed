internal import Glibc

/// Beside NIO, whose names for sockets are Glibc's too.
extension GatewayError {
    static let addressInUse: Int32 = EADDRINUSE
    static let notPermitted: Int32 = EACCES
}
