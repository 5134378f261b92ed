/// Groups the bytes of elements by their place: all first bytes, all second bytes, ….
///
/// The exponents of neighbouring activations are alike and their mantissas are not: side by side, zstd finds the former and passes over the
/// latter. Works on one block, so that source and target stay in cache; O(n), four lanes of SSE2 or NEON by the compiler.
package enum ByteShuffle {
    /// One byte position of a block is then 128 KiB, which is zstd's own block: each is coded with statistics of its own.
    package static let blockElementCount = 128 << 10
    private static let lanes = 16

    /// `source` and `target` hold `count` elements of `width` bytes and do not overlap.
    package static func shuffle(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, width: Int) {
        let done = count / lanes * lanes
        switch width {
        case 2: split(source, target, count, done, as: SIMD16<UInt16>.self)
        case 4: split(source, target, count, done, as: SIMD16<UInt32>.self)
        case 8: split(source, target, count, done, as: SIMD16<UInt64>.self)
        default: preconditionFailure("elements of \(width) bytes are not shuffled")
        }
        for place in 0..<width {
            for index in done..<count {
                target.storeBytes(
                    of: source.load(fromByteOffset: index * width + place, as: UInt8.self), toByteOffset: place * count + index,
                    as: UInt8.self)
            }
        }
    }

    /// The inverse of ``shuffle(_:to:count:width:)``.
    package static func unshuffle(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, width: Int) {
        let done = count / lanes * lanes
        switch width {
        case 2: join(source, target, count, done, as: SIMD16<UInt16>.self)
        case 4: join(source, target, count, done, as: SIMD16<UInt32>.self)
        case 8: join(source, target, count, done, as: SIMD16<UInt64>.self)
        default: preconditionFailure("elements of \(width) bytes are not shuffled")
        }
        for place in 0..<width {
            for index in done..<count {
                target.storeBytes(
                    of: source.load(fromByteOffset: place * count + index, as: UInt8.self), toByteOffset: index * width + place,
                    as: UInt8.self)
            }
        }
    }

    @inline(__always)
    private static func split<Scalar: FixedWidthInteger & UnsignedInteger & SIMDScalar>(
        _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ count: Int, _ done: Int, as type: SIMD16<Scalar>.Type
    ) {
        let width = MemoryLayout<Scalar>.size
        var index = 0
        while index < done {
            let elements = source.loadUnaligned(fromByteOffset: index &* width, as: type)
            for place in 0..<width {
                let shifted = elements &>> SIMD16<Scalar>(repeating: Scalar(truncatingIfNeeded: 8 &* place))
                target.storeBytes(
                    of: SIMD16<UInt8>(truncatingIfNeeded: shifted), toByteOffset: place &* count &+ index, as: SIMD16<UInt8>.self)
            }
            index &+= lanes
        }
    }

    @inline(__always)
    private static func join<Scalar: FixedWidthInteger & UnsignedInteger & SIMDScalar>(
        _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ count: Int, _ done: Int, as type: SIMD16<Scalar>.Type
    ) {
        let width = MemoryLayout<Scalar>.size
        var index = 0
        while index < done {
            var elements = SIMD16<Scalar>(repeating: 0)
            for place in 0..<width {
                let bytes = source.loadUnaligned(fromByteOffset: place &* count &+ index, as: SIMD16<UInt8>.self)
                let shift = SIMD16<Scalar>(repeating: Scalar(truncatingIfNeeded: 8 &* place))
                elements |= SIMD16<Scalar>(truncatingIfNeeded: bytes) &<< shift
            }
            target.storeBytes(of: elements, toByteOffset: index &* width, as: type)
            index &+= lanes
        }
    }
}
