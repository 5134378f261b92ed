internal import Loops
internal import Synchronization

/// The way from any task to the session on the client's thread.
///
/// ## Concurrency model
/// The mailbox is set once, before the client's initialiser returns; numbers come from an atomic.
final class SessionPort: Sendable {
    private let mailbox = Mutex<Mailbox<ClientSession.Command>?>(nil)
    private let numbers = Atomic<UInt64>(1)

    func attach(_ session: ClientSession) {
        let box = session.start()
        mailbox.withLock { $0 = box }
    }

    func post(_ command: ClientSession.Command) -> Bool { mailbox.withLock { $0 }?.post(command) ?? false }
    func nextNumber() -> UInt64 { numbers.add(1, ordering: .relaxed).oldValue }
}
