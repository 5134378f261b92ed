internal import CLinux
internal import Glibc

extension EventLoop {
    /// Blocks `signals` in the calling thread and, by inheritance, in all that it starts from now on.
    ///
    /// Call it first thing in `main`, before any library starts threads: a thread that does not block a signal could be the one that
    /// the kernel gives it to, and the default action would end the process.
    public static func blockSignals(_ signals: [Int32]) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Calls `handler` on this loop for each of `signals` that the process gets (signalfd). Blocks them first, see ``blockSignals(_:)``.
    public func onSignals(_ signals: [Int32], _ handler: @escaping (Int32) -> Void) throws(SystemError) {
        Self.blockSignals(signals)
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        let raw = try Syscall.check("taking signals (signalfd)") {
            signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        }
        let descriptor = Descriptor(owning: Int32(raw))
        let rawDescriptor = descriptor.rawValue
        let source = SignalSource(descriptor: descriptor, handler: handler)
        source.loop = self
        source.token = try register(rawDescriptor, interest: .readable, source: source)
    }
}

private final class SignalSource: EventSource {
    private let descriptor: Descriptor
    private let handler: (Int32) -> Void
    weak var loop: EventLoop?
    var token: UInt64 = 0

    init(descriptor: consuming Descriptor, handler: @escaping (Int32) -> Void) {
        self.descriptor = descriptor
        self.handler = handler
    }

    /// One signal per wake; the rest are reported again.
    func ready(_ readiness: IOReadiness) {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard case .success(size) = Syscall.retry({ read(descriptor.rawValue, &info, size) }) else { return }
        handler(Int32(info.ssi_signo))
    }

    func loopWillEnd() { loop?.unregister(descriptor.rawValue, token: token) }
}
