import Glibc
import Testing

/// Mistakes that a sanitizer must report: `scripts/sanitize` runs them by name (`AMP4EC_PLANTED`) to see that it is at work, and expects each to
/// end the process. Nothing else runs them.
@Suite(.serialized) struct PlantedTests {
    private static let planted = getenv("AMP4EC_PLANTED").map { String(cString: $0) }

    @Test(.enabled(if: planted == "address")) func aReadBehindTheHeap() {
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 8)
        bytes.update(repeating: 1, count: 8)
        defer { bytes.deallocate() }
        // The compiler does not know the length.
        let count = 8 + Int(getpid() > 0 ? 1 : 0)
        #expect((0..<count).reduce(0) { $0 + Int(bytes[$1]) } >= 0)
    }

    /// ## Concurrency model
    /// None: that is the mistake.
    private final class Counter: @unchecked Sendable {
        var value = 0
    }

    @Test(.enabled(if: planted == "thread")) func aCounterWithoutALock() {
        let counter = Counter()
        // Threads, not tasks: those may all come to run on one.
        let threads = (0..<2).map { _ in
            var thread = pthread_t()
            let argument = Unmanaged.passRetained(counter).toOpaque()
            pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    let counter = Unmanaged<Counter>.fromOpaque(argument).takeRetainedValue()
                    for _ in 0..<1_000 { counter.value += 1 }
                    return nil
                }, argument)
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
        #expect(counter.value > 0)
    }
}
