import Foundation

/// Runs what waits on sockets on a thread of its own: the server's handlers need the threads of Swift's pool, of which there are as many as cores.
func offPool(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
