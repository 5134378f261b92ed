internal import Glibc

/// Measures how fast one core computes, in thread CPU time: what others or a quota take away is not counted as slowness.
///
/// The kernel is a product of two 64×64 matrices of Float in rows of eight, which stays in the first-level cache, as a convolution's
/// inner loop does. It is compiled for the platform's baseline instruction set: it compares clocks and pipelines, not the width of
/// vector units; the stage times of the running system correct what it misses.
public struct SpeedProbe: Sendable, Hashable {
    /// What counts as speed 1.0: this kernel on one core of a 2-core x86-64 server with nothing beside it, which the project's
    /// other measured figures come from too. A busy sibling thread of the same core halves it. Only ratios between nodes matter.
    public static let referenceGigaflops = 33.0

    /// Long enough for a clock of 1 µs to be exact to 0.1 %, short enough for a start.
    private static let sliceNanoseconds: UInt64 = 4_000_000
    /// Five slices (20 ms in all): the fastest is the one that caches, neighbours and frequency disturbed least.
    private static let sliceCount = 5
    private static let side = 64

    /// Billions of floating-point operations in a second of CPU time.
    public let gigaflops: Double
    /// 1.0 for the reference core.
    public var relativeSpeed: Double { gigaflops / Self.referenceGigaflops }

    public static func measure() -> SpeedProbe {
        var left = [SIMD8<Float>](repeating: .zero, count: side * side / 8)
        var right = left
        for index in left.indices {
            left[index] = SIMD8(repeating: 1 / Float(index + 1))
            right[index] = SIMD8(repeating: Float(index % 7) / 7)
        }
        var result = left
        var best = 0.0
        for _ in 0..<sliceCount {
            let begin = threadNanoseconds()
            var products = 0
            var elapsed: UInt64 = 0
            repeat {
                for _ in 0..<8 { multiply(left, right, into: &result) }
                // Fed back, so that no product can be left out.
                left[products % left.count] = result[products % result.count] * 0.5 + SIMD8(repeating: 0.25)
                products += 8
                elapsed = threadNanoseconds() - begin
            } while elapsed < sliceNanoseconds
            best = max(best, Double(products) * Double(2 * side * side * side) / Double(elapsed))
        }
        return SpeedProbe(gigaflops: best)
    }

    /// CPU time of the calling thread, in ns.
    public static func threadNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// C = A·B; two rows by eight columns at a time stay in registers.
    @inline(never)
    private static func multiply(_ left: [SIMD8<Float>], _ right: [SIMD8<Float>], into result: inout [SIMD8<Float>]) {
        let vectors = side / 8
        left.withUnsafeBytes { leftBytes in
            right.withUnsafeBufferPointer { right in
                result.withUnsafeMutableBufferPointer { result in
                    let left = leftBytes.bindMemory(to: Float.self)
                    for row in stride(from: 0, to: side, by: 2) {
                        for column in 0..<vectors {
                            var first = SIMD8<Float>.zero
                            var second = SIMD8<Float>.zero
                            for inner in 0..<side {
                                let vector = right[inner * vectors + column]
                                first += vector * left[row * side + inner]
                                second += vector * left[(row + 1) * side + inner]
                            }
                            result[row * vectors + column] = first
                            result[(row + 1) * vectors + column] = second
                        }
                    }
                }
            }
        }
    }
}
