internal import Base
internal import Shell
internal import Transport

/// The tokens that a server knows.
package struct HTTPTokens: Sendable {
    /// Each request with a token is compared with all of them: a thousand take some tens of microseconds.
    package static let countLimit = 1_000
    package static let fileByteLimit = 64 << 10
    /// As characters, the longest and the shortest secret that there is.
    private static let textLengths = (PreSharedKey.leastByteCount * 4 + 2) / 3...(PreSharedKey.mostByteCount * 4 + 2) / 3

    package let all: [HTTPToken]

    /// One file and what is in it.
    package typealias File = (path: String, bytes: [UInt8])

    /// Reads the text of the files: a token a line, empty lines, and comments that begin with `#`.
    /// - Throws: ``GatewayError`` with file, line and fix, and no part of what stands there.
    package init(parsing files: [File]) throws(GatewayError) {
        var all: [HTTPToken] = []
        for (path, bytes) in files {
            let countBefore = all.count
            func refused(_ line: Int?, _ reason: String, _ fix: String) -> GatewayError {
                GatewayError(.badData, "\(Self.option): \(path)\(line.map { ":\($0)" } ?? ""): \(reason); \(fix)")
            }
            guard bytes.count <= Self.fileByteLimit else {
                throw refused(nil, "it is over the limit of \(Self.fileByteLimit) bytes", "give the file that the tokens are in")
            }
            for (index, line) in Self.lines(bytes).enumerated() where !line.isEmpty && line.first != UInt8(ascii: "#") {
                guard line.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
                    throw refused(index + 1, "it is not plain text", "write a token a line, or # before a comment")
                }
                let token: HTTPToken
                do throws(HTTPToken.Problem) { token = try HTTPToken(parsing: String(decoding: line, as: UTF8.self)) } catch {
                    throw refused(index + 1, error.reason, error.fix)
                }
                guard !all.contains(where: { $0.secret == token.secret }) else {
                    throw refused(
                        index + 1, "the same secret stands before it", "make one for each: amp4ec secret --http-token client")
                }
                guard all.count < Self.countLimit else {
                    throw refused(index + 1, "there are over \(Self.countLimit) tokens", "take out those that nobody uses")
                }
                all.append(token)
            }
            guard all.count > countBefore else {
                throw refused(nil, "it holds no token", "make one: amp4ec secret --http-token client >> \(path)")
            }
        }
        self.all = all
    }

    /// Reads and checks files that nobody else may read.
    package init(reading paths: [String]) throws(GatewayError) {
        var files: [File] = []
        for path in paths {
            files.append(
                (path, try OptionFile.read(path, option: Self.option, byteLimit: Self.fileByteLimit, isPrivate: true)))
        }
        try self.init(parsing: files)
    }

    package static let option = "--http-token-file"

    /// Without blanks before and behind.
    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        func isBlank(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
        }
        return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            var line = line.drop(while: isBlank)
            while let last = line.last, isBlank(last) { line.removeLast() }
            return line
        }
    }

    /// Whose the secret is; `nil` where it is nobody's.
    ///
    /// Compares in constant time, with all tokens whatever is found: how long it takes says nothing of which there are.
    package func caller(presenting text: some StringProtocol) -> HTTPCaller? { token(presenting: text)?.caller }

    /// The token that the text is the secret of.
    package func token(presenting text: some StringProtocol) -> HTTPToken? {
        guard Self.textLengths.contains(text.utf8.count), let bytes = Base64URL.decode(text.utf8) else { return nil }
        let secret = SecretBytes(copying: bytes)
        var found: HTTPToken?
        for token in all where token.secret == secret { found = token }
        return found
    }
}
