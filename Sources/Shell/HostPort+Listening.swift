public import Base
internal import Loops
public import Transport

extension HostPort {
    /// The address to listen on: all addresses when there is no host. A name is looked up, which may take seconds.
    /// - Parameter option: in which it was written, for messages: `--listen`.
    public func listeningAddress(option: String) throws(CommandFailure) -> SocketAddress {
        guard let host else { return .any(port: port) }
        let found: [SocketAddress]
        do { found = try Resolver.lookUp(self) } catch {
            throw CommandFailure(.failure, "\(option): \(error.message)")
        }
        guard let address = found.first else {
            throw CommandFailure(.failure, "\(option): \(host) has no address; name one of this machine's, or :\(port)")
        }
        return address
    }
}
