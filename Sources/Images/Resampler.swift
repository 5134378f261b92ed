internal import Tensors

/// Resizes 8-bit pictures as Pillow does, bit for bit, so that predictions equal the reference's.
///
/// A separable convolution: first along the rows, then along the columns, each rounded to 8 bits. When shrinking, the filter grows with the
/// scale, which is what makes it antialiased (plain bilinear interpolation, as OpenCV has it, gives other pixels). Weights are fixed-point
/// with 22 fractional bits. Source of the method: Pillow's documentation of resampling filters and its `Resample.c`.
/// O(output pixels × filter length) per pass.
enum Resampler {
    /// 32-bit sums, less 8 bits of pixel, less 2 bits because bicubic weights overshoot 1.
    private static let precisionBits = 22

    /// The weights of one output position: `weights` for the input positions from `first` on.
    struct Kernel {
        let first: Int
        let weights: [Int32]
    }

    struct Filter: Sendable {
        let support: Double
        let weight: @Sendable (Double) -> Double

        /// A triangle.
        static let bilinear = Filter(support: 1) { x in max(0, 1 - abs(x)) }
        /// Keys' cubic convolution with a = −0.5.
        static let bicubic = Filter(support: 2) { x in
            let a = -0.5
            let x = abs(x)
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
            return 0
        }
    }

    /// Kernels for the output positions `wanted` of a resize from `inputLength` to `outputLength`.
    static func kernels(inputLength: Int, outputLength: Int, wanted: Range<Int>, filter: Filter) -> [Kernel] {
        let scale = Double(inputLength) / Double(outputLength)
        let stretch = max(scale, 1)
        let support = filter.support * stretch
        return wanted.map { position in
            let center = (Double(position) + 0.5) * scale
            let first = max(0, Int(center - support + 0.5))
            let end = min(inputLength, Int(center + support + 0.5))
            let raw = (first..<max(first, end)).map { filter.weight((Double($0) - center + 0.5) / stretch) }
            let sum = raw.reduce(0, +)
            let weights = raw.map { weight in
                let scaled = (sum == 0 ? weight : weight / sum) * Double(1 << precisionBits)
                return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
            }
            return Kernel(first: first, weights: weights)
        }
    }

    /// The window `columns × rows` of the picture resized to `width × height`. Only what the window needs is computed.
    static func resize(_ image: RGBImage, width: Int, height: Int, columns: Range<Int>, rows: Range<Int>, filter: Filter)
        -> RGBImage
    {
        let horizontal =
            width == image.width ? nil : kernels(inputLength: image.width, outputLength: width, wanted: columns, filter: filter)
        let vertical =
            height == image.height ? nil : kernels(inputLength: image.height, outputLength: height, wanted: rows, filter: filter)
        let neededRows: Range<Int> =
            if let vertical {
                (vertical.map(\.first).min() ?? 0)..<(vertical.map { $0.first + $0.weights.count }.max() ?? 0)
            } else {
                rows
            }
        let narrow = TensorStorage(byteCount: neededRows.count * columns.count * 3)
        let result = TensorStorage(byteCount: rows.count * columns.count * 3)
        withExtendedLifetime((image.storage, narrow)) {
            let source = image.storage.pointer.assumingMemoryBound(to: UInt8.self) + neededRows.lowerBound * image.width * 3
            let middle = narrow.pointer.assumingMemoryBound(to: UInt8.self)
            for row in 0..<neededRows.count {
                let from = source + row * image.width * 3
                let to = middle + row * columns.count * 3
                if let horizontal {
                    convolveRow(from, horizontal, into: to)
                } else {
                    to.update(from: from + columns.lowerBound * 3, count: columns.count * 3)
                }
            }
            let target = result.pointer.assumingMemoryBound(to: UInt8.self)
            let rowLength = columns.count * 3
            guard let vertical else {
                target.update(from: middle, count: rows.count * rowLength)
                return
            }
            for (row, kernel) in vertical.enumerated() {
                let from = middle + (kernel.first - neededRows.lowerBound) * rowLength
                convolveColumn(from, kernel.weights, rowLength: rowLength, into: target + row * rowLength)
            }
        }
        return RGBImage(width: columns.count, height: rows.count, storage: result)
    }

    private static func convolveRow(_ source: UnsafePointer<UInt8>, _ kernels: [Kernel], into target: UnsafeMutablePointer<UInt8>) {
        let half: Int32 = 1 << (precisionBits - 1)
        for (position, kernel) in kernels.enumerated() {
            var (red, green, blue) = (half, half, half)
            var from = source + kernel.first * 3
            for weight in kernel.weights {
                red &+= Int32(from[0]) &* weight
                green &+= Int32(from[1]) &* weight
                blue &+= Int32(from[2]) &* weight
                from += 3
            }
            target[position * 3] = UInt8(clamping: red >> Int32(precisionBits))
            target[position * 3 + 1] = UInt8(clamping: green >> Int32(precisionBits))
            target[position * 3 + 2] = UInt8(clamping: blue >> Int32(precisionBits))
        }
    }

    private static func convolveColumn(
        _ source: UnsafePointer<UInt8>, _ weights: [Int32], rowLength: Int, into target: UnsafeMutablePointer<UInt8>
    ) {
        for column in 0..<rowLength {
            var sum: Int32 = 1 << (precisionBits - 1)
            var from = source + column
            for weight in weights {
                sum &+= Int32(from.pointee) &* weight
                from += rowLength
            }
            target[column] = UInt8(clamping: sum >> Int32(precisionBits))
        }
    }
}
