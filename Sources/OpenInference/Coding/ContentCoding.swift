/// A body's coding (RFC 9110, 8.4): gzip, or what HTTP calls deflate.
public enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    case gzip
    /// zlib's form. (Some clients send deflate without zlib's header; that is taken too.)
    case deflate

    /// RFC 9110 has gzip by another name.
    private init?(named name: Substring) {
        switch name.lowercased() {
        case "gzip", "x-gzip": self = .gzip
        case "deflate": self = .deflate
        default: return nil
        }
    }

    private static let identity = "identity"

    /// The coding that Content-Encoding names; `nil` for none.
    /// - Throws: ``OpenInferenceError`` (`unsupported`) for others, and for several one within another.
    public static func ofBody(_ header: String?) throws(OpenInferenceError) -> ContentCoding? {
        guard let name = header.map({ trimmed($0[...]) }), !name.isEmpty, name.lowercased() != identity else { return nil }
        guard let coding = ContentCoding(named: name) else {
            throw OpenInferenceError(
                .unsupported,
                "Content-Encoding \(quoted(name)) is not taken; send gzip or deflate, one of them, or the body as it is")
        }
        return coding
    }

    /// What of Accept-Encoding to use: the coding of the highest quality, gzip where two are as good; `nil` where the client would rather
    /// have the body as it is. Members that are wrong count as not there.
    /// - Returns: also whether the client named this coding and no other: then even what hardly gets smaller is worth it to the client.
    public static func accepted(_ header: String?) -> (coding: ContentCoding, isExplicit: Bool)? {
        var qualities: [ContentCoding: Int] = [:]
        var (identityQuality, otherQuality, count) = (0, 0, 0)
        for member in (header ?? "").split(separator: ",") {
            let parts = member.split(separator: ";", omittingEmptySubsequences: false).map { trimmed($0) }
            guard let name = parts.first, !name.isEmpty, let quality = thousandths(parts.dropFirst()) else { continue }
            if name == "*" {
                otherQuality = quality
            } else if name.lowercased() == identity {
                identityQuality = quality
                continue
            } else if let coding = ContentCoding(named: name) {
                qualities[coding] = quality
            }
            count += 1
        }
        let ranked = allCases.map { ($0, qualities[$0] ?? otherQuality) }
        guard let best = ranked.max(by: { $0.1 < $1.1 || ($0.1 == $1.1 && $0.0 == .deflate) }), best.1 > 0,
            best.1 >= identityQuality
        else {
            return nil
        }
        return (best.0, count == 1 && qualities[best.0] != nil)
    }

    /// The quality (`q=0.5`) in thousandths, 1,000 where there is none; `nil` for what is no quality.
    private static func thousandths(_ parameters: ArraySlice<Substring>) -> Int? {
        guard let parameter = parameters.first else { return 1_000 }
        let text = parameter.lowercased()
        guard parameters.count == 1, text.hasPrefix("q=") else { return nil }
        let digits = Array(text.dropFirst(2).utf8)
        guard let whole = digits.first, whole == UInt8(ascii: "0") || whole == UInt8(ascii: "1"), digits.count <= 5 else {
            return nil
        }
        guard digits.count == 1 || digits[1] == UInt8(ascii: "."), digits.dropFirst(2).allSatisfy({ $0 &- 0x30 <= 9 }) else {
            return nil
        }
        let decimals = digits.dropFirst(2) + [0x30, 0x30, 0x30]
        let value = decimals.prefix(3).reduce(Int(whole - 0x30)) { $0 * 10 + Int($1 - 0x30) }
        return value <= 1_000 ? value : nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        var text = text.drop(while: isBlank)
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }
}
