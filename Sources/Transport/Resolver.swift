public import Base
internal import Glibc
public import Loops

/// Names to addresses, without stopping the loop: `getaddrinfo` blocks (up to half a minute), so it runs on helper threads.
public enum Resolver {
    /// All addresses behind one name that are taken; a service with more replicas than this is cut.
    public static let maximumAddressCount = 1_024
    /// Enough that one name server that does not answer does not hold up the other names.
    private static let threadCount = 2
    /// Look-ups that may wait at once; one for each node of a large cluster.
    private static let queueCapacity = 4_096

    /// glibc's `EAI_ADDRFAMILY`, which its headers show to GNU sources only.
    private static let addressFamilyMismatch: Int32 = -9

    /// Shared by the loops of the process. `nil` when the system gave no thread.
    private static let queue = try? TaskQueue(name: "resolver", threadCount: threadCount, capacity: queueCapacity)

    /// Finds every address behind `place` and gives them to `completion` on `loop`, in the system's order of preference.
    ///
    /// Numeric hosts need no look-up, and no host means this machine (`127.0.0.1`); they too are reported from a fresh stack.
    public static func resolve(
        _ place: HostPort, on loop: EventLoop,
        completion: @escaping (Result<[SocketAddress], SystemError>) -> Void
    ) {
        if let address = place.numericAddress {
            let target = place.host == nil ? SocketAddress.loopback(port: place.port) : address
            loop.defer { completion(.success([target])) }
            return
        }
        let port = loop.resolver as? ResolverPort ?? ResolverPort(loop: loop, capacity: queueCapacity)
        loop.resolver = port
        let number = port.add(completion)
        let mailbox = port.mailbox
        let isQueued = queue?.submit {
            mailbox.post(ResolverAnswer(number: number, result: Result { () throws(SystemError) in try lookUp(place) }))
        }
        if isQueued != true {
            let error = SystemError(
                .resourceExhausted, "\(place) was not looked up: \(queueCapacity) names are waiting already; try again later")
            loop.defer { port.finish(ResolverAnswer(number: number, result: .failure(error))) }
        }
    }

    /// Why the system is not asked about the host: it would take it for another address, or has no such interface.
    private static func objection(to host: String) -> String? {
        if IPAddress.isMisread(host) {
            return
                "\"\(host)\" is no IPv4 address, which has four numbers from 0 to 255 without zeros before them, and no name either"
        }
        let parts = host.split(separator: "%", maxSplits: 1)
        guard parts.count == 2, IPAddress(parts[0])?.isVersion6 == true, if_nametoindex(String(parts[1])) == 0,
            UInt32(parts[1]) == nil
        else { return nil }
        return "this machine has no network interface \"\(parts[1])\", which the address \(host) names"
    }

    /// The blocking call itself, for callers that have a thread to spare.
    public static func lookUp(_ place: HostPort) throws(SystemError) -> [SocketAddress] {
        if let host = place.host, let problem = objection(to: host) { throw SystemError(.unresolvedName, problem) }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        // Only families that this machine has an address of; without it containers without IPv6 get addresses that fail.
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var status = getaddrinfo(place.host, String(place.port), &hints, &list)
        if status == EAI_NONAME || status == addressFamilyMismatch {
            // AI_ADDRCONFIG does not count loopback addresses: on a machine without a network `localhost` would not resolve.
            hints.ai_flags = 0
            status = getaddrinfo(place.host, String(place.port), &hints, &list)
        }
        guard status == 0 else {
            let reason = status == EAI_SYSTEM ? Syscall.describe(errno) : String(cString: gai_strerror(status))
            throw SystemError(
                .unresolvedName,
                "the name \"\(place.host ?? "")\" does not resolve: \(reason); check its spelling and the network's DNS")
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var seen: Set<SocketAddress> = []
        var next = list
        while let entry = next, addresses.count < maximumAddressCount {
            if let system = entry.pointee.ai_addr, let address = SocketAddress(system, length: entry.pointee.ai_addrlen),
                seen.insert(address).inserted
            {
                addresses.append(address)
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}

struct ResolverAnswer: Sendable {
    let number: UInt64
    let result: Result<[SocketAddress], SystemError>
}

/// The loop's side: who waits for which answer.
final class ResolverPort {
    private final class Waiting {
        var completions: [UInt64: (Result<[SocketAddress], SystemError>) -> Void] = [:]
    }

    let mailbox: Mailbox<ResolverAnswer>
    private let waiting = Waiting()
    private var lastNumber: UInt64 = 0

    init(loop: EventLoop, capacity: Int) {
        let waiting = waiting
        mailbox = loop.mailbox(capacity: capacity) { answer in
            waiting.completions.removeValue(forKey: answer.number)?(answer.result)
        }
    }

    func add(_ completion: @escaping (Result<[SocketAddress], SystemError>) -> Void) -> UInt64 {
        lastNumber += 1
        waiting.completions[lastNumber] = completion
        return lastNumber
    }

    func finish(_ answer: ResolverAnswer) { waiting.completions.removeValue(forKey: answer.number)?(answer.result) }
}
