import Images
import Tensors
import Testing

@Suite("Pictures")
struct ImagesTests {
    private func bytes(_ image: RGBImage) -> [UInt8] { withExtendedLifetime(image.storage) { Array(image.storage.bytes) } }

    @Test("decoded as Pillow does", arguments: PictureFixture.allCases)
    func decodes(_ fixture: PictureFixture) throws {
        let image = try ImageDecoder.decode(fixture.bytes, name: "\(fixture)")
        let expected = fixture.expected
        let pixels = bytes(image)
        #expect(image.width == expected.width && image.height == expected.height)
        #expect(Array(pixels.prefix(expected.first.count)) == expected.first)
        #expect(pixels.reduce(0) { $0 + Int($1) } == expected.sum)
    }

    @Test(
        "what is no picture says what it looks like",
        arguments: [
            ([], "empty"), (Array("GIF89a".utf8), "GIF"), (Array("RIFF1234WEBPVP8 ".utf8), "WebP"), (Array("hello\n".utf8), "text"),
            ([0x93] + Array("NUMPY".utf8), "numpy"), (Array("PK\u{3}\u{4}".utf8), "zip"), ([1, 2, 0xab, 4], "01 02 ab 04"),
            (Array("<!DOCTYPE html>".utf8), "web page"), (Array("%PDF-1.7".utf8), "PDF"),
            ([0, 0, 0, 24] + Array("ftypheic".utf8), "HEIC"),
        ] as [([UInt8], String)])
    func notAPicture(_ bytes: [UInt8], _ says: String) throws {
        let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(bytes, name: "photo.jpg") }
        #expect(error.code == .notAnImage && error.description.hasPrefix("photo.jpg: it is neither a JPEG nor a PNG"))
        #expect(error.description.contains(says), "\(error)")
        #expect(error.fix == (bytes.isEmpty ? "copy the file again" : "convert it to JPEG or PNG"))
    }

    @Test(
        "what was no picture's fault says so",
        arguments: [
            ([0x89] + Array("PNG\n\u{1a}\n".utf8), "copy the file again, in binary mode"),
            (Array("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n".utf8), "git lfs pull"),
            (Array(PictureFixture.pngRGB.bytes.prefix(8)) + [0, 0, 0, 4] + Array("CgBI".utf8), "convert it to an ordinary PNG"),
        ] as [([UInt8], String)])
    func notThePicturesFault(_ bytes: [UInt8], _ fix: String) throws {
        let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(bytes, name: "photo.png") }
        #expect(error.fix.contains(fix) && !error.description.contains("cannot be decoded"), "\(error)")
    }

    /// Every viewer shows such a picture: what is too large is named, and the file is not called damaged.
    @Test func aTextLargerThanAnyPictureNeedsIsNamed() throws {
        func bigEndian(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        let text = Array("tEXtComment\u{0}".utf8) + [UInt8](repeating: 0x78, count: 17 << 20)
        var bytes = PictureFixture.pngRGB.bytes
        // Behind the signature (8 bytes) and IHDR (25).
        bytes.insert(contentsOf: bigEndian(text.count - 4) + text + crc(text), at: 33)
        let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(bytes, name: "photo.png") }
        #expect(
            error.code == .tooLarge && error.description.contains("over the limit of 16 MiB; save it without texts"), "\(error)")
    }

    @Test("each truncation is refused", arguments: [PictureFixture.pngRGB, .pngPalette, .jpegRGB, .jpegProgressive])
    func truncation(_ fixture: PictureFixture) {
        let whole = fixture.bytes
        // Without the last checksum and the end marker all pixels are there; Pillow takes such files too.
        let last = whole.count - (whole[0] == 0xff ? 3 : 16)
        for count in stride(from: 3, to: last, by: 1) {
            #expect(throws: ImageError.self, "\(fixture) cut to \(count) of \(whole.count)") {
                try ImageDecoder.decode(Array(whole[..<count]), name: "a")
            }
        }
    }

    @Test func strayBytesBetweenMarkersAreHarmless() throws {
        let good = PictureFixture.jpegRGB.bytes
        let table = try #require(good.indices.dropLast().first { good[$0] == 0xff && good[$0 + 1] == 0xdb })
        let stray = Array(good[..<table]) + [1, 2, 3] + Array(good[table...])
        #expect(bytes(try ImageDecoder.decode(stray, name: "a")) == bytes(try ImageDecoder.decode(good, name: "a")))
    }

    /// Pillow shows it as well: what the library warns of is damage that it works around.
    @Test func aPictureWithADamagedPlaceIsShown() throws {
        let good = PictureFixture.jpegRGB.bytes
        let scan = try #require(good.indices.dropLast().first { good[$0] == 0xff && good[$0 + 1] == 0xda })
        var isShown = 0
        for place in (scan + 20)..<(good.count - 2) where good[place] != 0xff && good[place - 1] != 0xff {
            var damaged = good
            damaged[place] ^= 0x10
            guard damaged[place] != 0xff, let image = try? ImageDecoder.decode(damaged, name: "a") else { continue }
            #expect(image.width == 24 && image.height == 16)
            isShown += 1
        }
        #expect(isShown > 20)
    }

    @Test func twelveBitsAreRefusedAsWhatTheyAre() throws {
        var jpeg = PictureFixture.jpegRGB.bytes
        let frame = try #require(jpeg.indices.dropLast(9).first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
        jpeg[frame + 4] = 12
        let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(jpeg, name: "a.jpg") }
        #expect(error.description.contains("are not read") && error.fix.contains("8 bits"), "\(error)")
        // Lossless, which is another kind of file.
        jpeg[frame + 4] = 8
        jpeg[frame + 1] = 0xc3
        let lossless = try #require(throws: ImageError.self) { try ImageDecoder.decode(jpeg, name: "a.jpg") }
        #expect(lossless.fix.contains("ordinary JPEG"), "\(lossless)")
    }

    @Test(
        "few bytes that declare many pixels are refused before they are painted grey",
        arguments: [
            (PictureFixture.jpegRGB, 0xc0), (.jpegProgressive, 0xc2),
        ] as [(PictureFixture, UInt8)])
    func fewBytesWithManyPixels(_ fixture: PictureFixture, _ marker: UInt8) throws {
        var jpeg = fixture.bytes
        let frame = try #require(jpeg.indices.dropLast(9).first { jpeg[$0] == 0xff && jpeg[$0 + 1] == marker })
        // 10,000 × 10,000, which is below the limit.
        jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0x27, 0x10, 0x27, 0x10])
        let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(jpeg, name: "a") }
        #expect(error.code == .malformed && error.problem.contains("cannot hold"), "\(error)")
    }

    @Test func absurdExtentsTakeNoMemory() throws {
        // IHDR with 65,535 × 65,535 pixels and its right checksum; JPEG's frame header patched.
        var png = PictureFixture.pngGray.bytes
        png.replaceSubrange(16..<24, with: [0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff])
        png.replaceSubrange(29..<33, with: crc(Array(png[12..<29])))
        var jpeg = PictureFixture.jpegRGB.bytes
        let frame = try #require(jpeg.indices.dropLast(9).first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
        jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0xff, 0, 0xff, 0])
        for bytes in [png, jpeg] {
            let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(bytes, name: "big") }
            #expect(error.code == .tooLarge && error.description.contains("over the limit of 100000000"), "\(error)")
        }
    }

    @Test(
        "a PNG that declares more than its bytes can hold, or a side that nobody has, takes no memory",
        arguments: [
            // Kind of colour, depth, width, height, and what is said. libspng would take two rows of 640 MB for the first.
            ([6, 16], 80_000_000, 1, "over the limit of 1048576"),
            ([0, 1], 1, 99_999_999, "over the limit of 1048576"),
            ([6, 16], 1_048_576, 95, "cannot hold"),
            ([0, 1], 10_000, 10_000, "cannot hold"),
            ([3, 8], 1_000, 1_000, "cannot hold"),
        ] as [([UInt8], UInt32, UInt32, String)])
    func declaredRows(_ kind: [UInt8], _ width: UInt32, _ height: UInt32, _ says: String) throws {
        var png = PictureFixture.pngGray.bytes
        let extents = [width, height].flatMap { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        png.replaceSubrange(16..<26, with: extents + [kind[1], kind[0]])
        png.replaceSubrange(29..<33, with: crc(Array(png[12..<29])))
        let error = try #require(throws: ImageError.self) { try ImageDecoder.decode(png, name: "wide") }
        #expect(error.description.contains(says), "\(error)")
    }

    @Test(
        "what must be held whole while it is decoded has a limit; what comes row by row has not",
        arguments: [
            (PictureFixture.pngGray, true, "an interlaced PNG"), (.pngGray, false, nil),
            (.jpegProgressive, true, "a progressive JPEG"),
        ] as [(PictureFixture, Bool, String?)])
    func heldWhole(_ fixture: PictureFixture, _ isInterlaced: Bool, _ kind: String?) throws {
        var bytes = fixture.bytes
        let side: [UInt8] = [0x26, 0xac]
        if bytes[0] == 0xff {
            let frame = try #require(
                bytes.indices.dropLast(9).first { bytes[$0] == 0xff && [0xc0, 0xc2].contains(bytes[$0 + 1]) })
            bytes.replaceSubrange((frame + 5)..<(frame + 9), with: side + side)
        } else {
            bytes.replaceSubrange(16..<24, with: [0, 0] + side + [0, 0] + side)
            bytes[28] = isInterlaced ? 1 : 0
            bytes.replaceSubrange(29..<33, with: crc(Array(bytes[12..<29])))
        }
        // Enough that as many pixels could be in it.
        bytes += [UInt8](repeating: 0, count: 300_000)
        let preprocessing = ImagePreprocessing(resizeShorterSide: 8, cropSize: 8, interpolation: .bilinear, layout: .hwc)
        do {
            _ = try bytes.withUnsafeBytes {
                try ImagePreprocessor.tensor(fromFile: $0, name: "a", preprocessing: preprocessing, dtype: .uint8)
            }
            #expect(kind == nil)
        } catch let error as ImageError {
            #expect((error.code == .tooLarge) == (kind != nil), "\(error)")
            #expect(kind.map { error.description.contains("as \($0) it takes") } ?? true, "\(error)")
        }
    }

    @Test("a file gives the crop that its picture gives", arguments: PictureFixture.allCases)
    func cropsOfFiles(_ fixture: PictureFixture) throws {
        let image = try ImageDecoder.decode(fixture.bytes, name: "\(fixture)")
        for (resize, crop, interpolation) in [
            (7, 5, ImagePreprocessing.Interpolation.bilinear), (40, 48, .bicubic), (image.height, 3, .bilinear),
        ] {
            let preprocessing = ImagePreprocessing(
                resizeShorterSide: resize, cropSize: crop, interpolation: interpolation, layout: .chw)
            let whole = try ImagePreprocessor.tensor(from: image, preprocessing: preprocessing, dtype: .uint8)
            let file = try fixture.bytes.withUnsafeBytes {
                try ImagePreprocessor.tensor(fromFile: $0, name: "\(fixture)", preprocessing: preprocessing, dtype: .uint8)
            }
            #expect(file.values(as: UInt8.self) == whole.values(as: UInt8.self))
        }
    }

    /// PNG's checksum, bit by bit.
    private func crc(_ bytes: [UInt8]) -> [UInt8] {
        var value: UInt32 = .max
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
        }
        return withUnsafeBytes(of: (~value).bigEndian) { Array($0) }
    }

    @Test(
        "seeded mutations never trap",
        arguments: [PictureFixture.pngRGBA, .pngPalette, .pngRGB16, .jpegRGB, .jpegProgressive, .jpegCMYK])
    func mutations(_ fixture: PictureFixture) {
        var generator = SeededGenerator(state: 99)
        let good = fixture.bytes
        var refused = 0
        for _ in 0..<1_500 {
            var bytes = good
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[position] = UInt8.random(in: 0 ... .max, using: &generator)
            }
            do { _ = try ImageDecoder.decode(bytes, name: "a") } catch { refused += 1 }
        }
        #expect((1...1_500).contains(refused))
    }

    private func pattern(width: Int, height: Int) -> RGBImage {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<3 { pixels.append(UInt8((x * 37 + y * 101 + channel * 59 + x * y * 13) % 256)) }
            }
        }
        return RGBImage(width: width, height: height, storage: TensorStorage(copying: pixels))
    }

    @Test("resized and cropped exactly as Pillow and torchvision do", arguments: ResizeRow.table.indices)
    func resize(_ index: Int) throws {
        let row = ResizeRow.table[index]
        let preprocessing = ImagePreprocessing(
            resizeShorterSide: row.shorterSide, cropSize: row.crop, interpolation: row.isBicubic ? .bicubic : .bilinear,
            layout: .hwc)
        let image = pattern(width: row.width, height: row.height)
        let tensor = try ImagePreprocessor.tensor(from: image, preprocessing: preprocessing, dtype: .uint8)
        #expect(tensor.shape == [row.crop, row.crop, 3])
        #expect(tensor.values(as: UInt8.self) == row.pixels)
    }

    @Test("a picture of one colour keeps it", arguments: [3, 7, 50, 224])
    func constant(_ side: Int) throws {
        let image = RGBImage(
            width: 90, height: 61,
            storage: TensorStorage(copying: Array([[UInt8]](repeating: [3, 128, 255], count: 90 * 61).joined())))
        for interpolation in [ImagePreprocessing.Interpolation.bilinear, .bicubic] {
            let tensor = try ImagePreprocessor.tensor(
                from: image,
                preprocessing: ImagePreprocessing(
                    resizeShorterSide: side, cropSize: side, interpolation: interpolation, layout: .chw),
                dtype: .uint8)
            let plane = side * side
            let expected =
                [UInt8](repeating: 3, count: plane) + .init(repeating: 128, count: plane) + .init(repeating: 255, count: plane)
            #expect(tensor.values(as: UInt8.self) == expected)
        }
    }

    @Test func layoutsAndTypes() throws {
        let image = RGBImage(width: 2, height: 2, storage: TensorStorage(copying: [0, 51, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
        func make(_ layout: ImagePreprocessing.Layout, _ dtype: DType, mean: [Double]? = nil, std: [Double]? = nil) throws -> Tensor
        {
            try ImagePreprocessor.tensor(
                from: image,
                preprocessing: ImagePreprocessing(
                    resizeShorterSide: 2, cropSize: 2, interpolation: .bicubic, layout: layout, mean: mean, std: std), dtype: dtype)
        }
        #expect(try make(.hwc, .uint8).values(as: UInt8.self) == [0, 51, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(try make(.chw, .uint8).values(as: UInt8.self) == [0, 1, 4, 7, 51, 2, 5, 8, 255, 3, 6, 9])
        let plain = try #require(try make(.hwc, .float32).values(as: Float.self))
        #expect(Array(plain.prefix(3)) == [0, 51 / 255, 1])
        let scaled = try make(.chw, .float32, mean: [0.5, 0.2, 0], std: [0.5, 1, 2])
        #expect(scaled.shape == [3, 2, 2])
        let values = try #require(scaled.values(as: Float.self))
        #expect(values[0] == -1 && values[4] == Float(51) / 255 - 0.2 && values[8] == 0.5)
        #expect(try make(.hwc, .float16).values(as: Float16.self)?[2] == 1)
        let batch = try ImagePreprocessor.batch([make(.chw, .uint8), make(.chw, .uint8)])
        #expect(batch.shape == [2, 3, 2, 2])
        #expect(try ImagePreprocessor.batch([make(.chw, .uint8)]).shape == [1, 3, 2, 2])
        #expect(throws: TensorError.self) { try ImagePreprocessor.batch([make(.chw, .uint8), make(.chw, .float32)]) }
        #expect(throws: TensorError.self) { try ImagePreprocessor.batch([]) }
    }

    @Test func preprocessingsThatMakeNoSense() throws {
        let image = pattern(width: 4, height: 4)
        let rows: [(ImagePreprocessing, DType, String)] = [
            (.init(resizeShorterSide: 0, cropSize: 4, interpolation: .bilinear, layout: .hwc), .uint8, "resizeShorterSide is 0"),
            (.init(resizeShorterSide: 4, cropSize: -1, interpolation: .bilinear, layout: .hwc), .uint8, "cropSize is -1"),
            (.init(resizeShorterSide: 4, cropSize: 1 << 40, interpolation: .bilinear, layout: .hwc), .uint8, "cropSize"),
            (.init(resizeShorterSide: 4, cropSize: 4, interpolation: .bilinear, layout: .hwc), .int64, "cannot become int64"),
            (.init(resizeShorterSide: 4, cropSize: 4, interpolation: .bilinear, layout: .hwc, mean: [0, 0, 0]), .uint8, "uint8"),
            (.init(resizeShorterSide: 4, cropSize: 4, interpolation: .bilinear, layout: .hwc, mean: [0]), .float32, "three"),
            (.init(resizeShorterSide: 4, cropSize: 4, interpolation: .bilinear, layout: .hwc, std: [1, 0, 1]), .float32, "not 0"),
            (
                .init(resizeShorterSide: 4, cropSize: 4, interpolation: .bilinear, layout: .hwc, mean: [.nan, 0, 0]), .float32,
                "finite"
            ),
        ]
        for (preprocessing, dtype, says) in rows {
            let error = try #require(throws: ImageError.self) {
                try ImagePreprocessor.tensor(from: image, preprocessing: preprocessing, dtype: dtype)
            }
            #expect(error.code == .badPreprocessing && error.description.contains(says), "\(error)")
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func extremeShapesStayBounded() throws {
        let line = RGBImage(width: 1, height: 65_000, storage: TensorStorage(copying: [UInt8](repeating: 9, count: 65_000 * 3)))
        let tensor = try ImagePreprocessor.tensor(
            from: line,
            preprocessing: ImagePreprocessing(resizeShorterSide: 256, cropSize: 224, interpolation: .bicubic, layout: .hwc),
            dtype: .uint8)
        #expect(tensor.values(as: UInt8.self)?.allSatisfy { $0 == 9 } == true)
    }
}
