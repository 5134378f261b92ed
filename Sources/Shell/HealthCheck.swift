public import Base
internal import Loops
internal import Transport
internal import Wire

/// Whether a worker or a coordinator answers: connects, says hello, and waits for a welcome of the right role.
///
/// That a port takes connections proves nothing (a stopped process still accepts, and the kernel answers for one that hangs): the
/// answer comes from the process's event loop and its machine. Nothing of the other end changes: a worker takes the check
/// for a peer that goes again at once, a coordinator for a client without requests.
///
/// A worker that stands ready without a coordinator is healthy, and so is a coordinator that waits for workers: the check asks whether
/// a restart would help, not whether there is work.
public struct HealthCheck: Sendable {
    public enum Subject: String, Sendable, Hashable { case worker, coordinator }

    /// Ten times what a process answers in that is throttled to a few per cent of a core.
    public static let usualDeadline: Duration = .seconds(2)

    public let subject: Subject
    public let address: HostPort
    public let deadline: Duration
    private let security: ConnectionSecurity

    /// - Parameter address: without a host, and where the host stands for every local address, this machine is asked.
    package init(
        _ subject: Subject, at address: HostPort, deadline: Duration = usualDeadline, access: ClusterAccess
    ) {
        security = access.security
        self.subject = subject
        self.address = HealthCheck.reachable(address)
        self.deadline = deadline
    }

    /// Asks once.
    /// - Returns: the name that the process answered with.
    /// - Throws: status 69, and why: refused, silent, something else listens there.
    public func run() throws(CommandFailure) -> String {
        let answer: Result<String, Silence>
        do { answer = try ask() } catch { answer = .failure(Silence(why: error.message)) }
        switch answer {
        case .success(let name): return name
        case .failure(let silence): throw CommandFailure(.unreachable, "\(subject.rawValue) at \(address): \(silence.why)")
        }
    }

    private struct Silence: Error {
        let why: String
    }

    private func ask() throws(SystemError) -> Result<String, Silence> {
        let loop = try EventLoop()
        defer { loop.shutDown() }
        var answer: Result<String, Silence>?
        Dialer(loop: loop, addresses: [address.description], hello: hello, settings: settings) { welcome in
            welcome.role == role ? nil : "a \(welcome.role) answers here, not a \(subject.rawValue)"
        } completion: { result in
            switch result {
            case .success((let connection, let welcome)):
                answer = .success(welcome.name)
                connection.close(.requested("the check is done"))
            case .failure(let failure): answer = .failure(Silence(why: failure.refusal?.message ?? failure.message))
            }
            loop.stop()
        }
        // Connecting and the answer have this time each, and so has every address behind a name: together they have it once.
        loop.schedule(after: deadline) { loop.stop() }
        try loop.run()
        return answer ?? .failure(Silence(why: "no answer within \(deadline.optionText)"))
    }

    private var role: Role { subject == .worker ? .worker : .coordinator }

    /// A worker takes data connections of other workers, a coordinator clients.
    private var hello: Hello {
        Hello(
            role: subject == .worker ? .worker : .client, channel: subject == .worker ? .data : .control, name: "amp4ec-check",
            software: ProductVersion.current, incarnation: IncarnationID(bits: RandomBits.next128()))
    }

    private var settings: Dialer.Settings {
        var settings = security.dialing(ConnectionOptions())
        // It says nothing that others may not know.
        settings.objection = { _ in nil }
        settings.connectTimeout = deadline
        settings.welcomeTimeout = deadline
        return settings
    }

    private static func reachable(_ address: HostPort) -> HostPort {
        switch address.host {
        case nil, "0.0.0.0": HostPort(host: "127.0.0.1", port: address.port)
        case "::": HostPort(host: "::1", port: address.port)
        default: address
        }
    }
}
