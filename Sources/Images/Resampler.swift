internal import Tensors

/// Resizes 8-bit pictures as Pillow does, bit for bit, so that predictions equal the reference's.
///
/// A separable convolution: first along the rows, then along the columns, each rounded to 8 bits. When shrinking, the filter grows with the
/// scale, which is what makes it antialiased (plain bilinear interpolation, as OpenCV has it, gives other pixels). Weights are fixed-point
/// with 22 fractional bits. Source of the method: Pillow's documentation of resampling filters and its `Resample.c`.
/// O(output pixels × filter length) per pass. It takes the picture's rows as they are decoded, so that no more than a narrow strip of it is held.
struct Resampler: RowSink {
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

    private let kernels: (across: [Kernel]?, down: [Kernel]?)
    private let columns: Range<Int>
    private let rows: Range<Int>
    /// Of the picture: what the window needs.
    private let neededRows: Range<Int>
    /// Those rows, as wide as the window.
    private let narrow: TensorStorage
    private var next = 0

    /// The window `columns × rows` of a picture of `inputWidth × inputHeight` that is resized to `width × height`. Only what the window needs
    /// is computed and kept: `window's width × picture's height × 3` bytes at most.
    init(
        inputWidth: Int, inputHeight: Int, width: Int, height: Int, columns: Range<Int>, rows: Range<Int>, filter: Filter
    ) {
        let across =
            width == inputWidth ? nil : Self.kernels(inputLength: inputWidth, outputLength: width, wanted: columns, filter: filter)
        let down =
            height == inputHeight ? nil : Self.kernels(inputLength: inputHeight, outputLength: height, wanted: rows, filter: filter)
        kernels = (across, down)
        (self.columns, self.rows) = (columns, rows)
        neededRows =
            if let down {
                (down.map(\.first).min() ?? 0)..<(down.map { $0.first + $0.weights.count }.max() ?? 0)
            } else {
                rows
            }
        narrow = TensorStorage(byteCount: neededRows.count * columns.count * 3)
    }

    private var rowLength: Int { columns.count * 3 }

    mutating func take(_ row: UnsafeBufferPointer<UInt8>) {
        defer { next += 1 }
        guard neededRows.contains(next), let source = row.baseAddress else { return }
        let target = narrow.pointer.assumingMemoryBound(to: UInt8.self) + (next - neededRows.lowerBound) * rowLength
        if let across = kernels.across {
            Self.convolveRow(source, across, into: target)
        } else {
            target.update(from: source + columns.lowerBound * 3, count: rowLength)
        }
    }

    /// The window, once all rows of the picture were taken.
    func resized() -> RGBImage {
        precondition(next >= neededRows.upperBound, "a row that the window needs was not taken")
        guard let down = kernels.down else { return RGBImage(width: columns.count, height: rows.count, storage: narrow) }
        let result = TensorStorage(byteCount: rows.count * rowLength)
        withExtendedLifetime(narrow) {
            let middle = narrow.pointer.assumingMemoryBound(to: UInt8.self)
            let target = result.pointer.assumingMemoryBound(to: UInt8.self)
            for (row, kernel) in down.enumerated() {
                let from = middle + (kernel.first - neededRows.lowerBound) * rowLength
                Self.convolveColumn(from, kernel.weights, rowLength: rowLength, into: target + row * rowLength)
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
