internal import CTLS
internal import Loops

/// Why an encrypted connection failed, in words that name the side and the fix.
enum TLSProblem {
    /// The peer's first bytes are another protocol's.
    case plain([UInt8])
    /// They begin as TLS does, and do not go on so.
    case notTLS
    case handshakeTooLong
    /// It went before the handshake was done.
    case brokenOff
    case cutOff
    /// A server's: the name of the peer's key is not known.
    case unknownKey(String, known: String)
    /// A server's: a key of this cluster that opens nothing here, with the reason.
    case refusedKey(String)
    /// The peer has no key at all.
    case noKey
    case binder(String)
    case version
    case otherProtocol
    case changedRecord
    case tooManyUpdates
    /// What the peer says (RFC 8446, section 6), to a hello with a key of this name or later.
    case alert(Int, toHelloWith: String?)
    case library(String)
    case noMemory

    /// internal_error: what a server says that has no room, or has waited too long.
    static let alertOfNoRoom = 80

    func error(isServer: Bool) -> SystemError {
        switch self {
        case .plain(let bytes): SystemError(.notPermitted, Self.text(ofPlain: bytes))
        case .notTLS:
            SystemError(.connectionLost, "the peer's TLS handshake cannot be understood: it is no AMP4EC process")
        case .handshakeTooLong:
            SystemError(
                .connectionLost,
                "the peer's TLS handshake is over the limit of \(HandshakeRecords.recordByteLimit) bytes for a record and "
                    + "\(HandshakeRecords.totalByteLimit) in all: it is no AMP4EC process")
        case .brokenOff:
            SystemError(
                .connectionLost,
                isServer
                    ? "the peer ended the connection within the TLS handshake"
                    : "the peer ended the connection within the TLS handshake: where it has no cluster secret it talks plain text; start "
                        + "it with this cluster's secret")
        case .cutOff:
            SystemError(
                .connectionLost,
                "the connection ended without TLS's last word (close_notify): the peer's process was ended, or somebody between cut it "
                    + "off")
        case .unknownKey(let name, let known):
            SystemError(
                .notPermitted,
                "the peer's key \(name) is not known here (this process has \(known)): give both sides keys of the same root")
        case .refusedKey(let why): SystemError(.notPermitted, why)
        case .noKey:
            SystemError(.notPermitted, "the peer talks TLS without a pre-shared key: start it with this cluster's secret")
        case .binder(let name):
            SystemError(
                .notPermitted, "the peer names the key \(name) and does not have its secret: give both sides keys of the same root")
        case .version:
            SystemError(.notPermitted, "the peer does not speak TLS 1.3, the one version that AMP4EC does: it is no AMP4EC process")
        case .otherProtocol:
            SystemError(
                .notPermitted,
                "the peer speaks another protocol than \(TLSContext.protocolName) inside TLS: run the same version of AMP4EC on both "
                    + "sides")
        case .changedRecord:
            SystemError(
                .connectionLost, "what came was not encrypted by the peer, or was changed on its way: the connection is not safe")
        case .tooManyUpdates:
            SystemError(.connectionLost, "the peer asks for new keys again and again and does not take the answers")
        case .alert(let number, let key): Self.error(ofAlert: number, toHelloWith: key)
        case .library(let text):
            SystemError(
                .connectionLost, "TLS failed: \(text): the peer is no AMP4EC process, or one of another version")
        case .noMemory: SystemError(.resourceExhausted, "there is no memory for another encrypted connection")
        }
    }

    private static func text(ofPlain bytes: [UInt8]) -> String {
        let start = bytes.prefix(4)
        if Array("A4EC".utf8).starts(with: start) {
            return "the peer talks plain text, and this process takes TLS alone: start the peer with this cluster's secret"
        }
        if ["GET ", "HEAD", "POST", "PUT ", "OPTI", "HTTP", "CONN"].contains(where: { Array($0.utf8).starts(with: start) }) {
            return "the peer talks plain text (HTTP) at a port for TLS between AMP4EC's processes: HTTP has a port of its own"
        }
        return
            "the peer talks plain text or another protocol, and this process takes TLS alone: it is no AMP4EC process, or it has no "
            + "cluster secret"
    }

    private static func error(ofAlert number: Int, toHelloWith key: String?) -> SystemError {
        switch (number, key) {
        case (40, let key?):
            SystemError(
                .notPermitted,
                "the peer does not take this process's key \(key) (TLS alert 40): give both sides keys of the same root"
                    + (key.hasPrefix("cluster") ? "" : "; a worker takes the cluster key alone, and a coordinator no revoked label")
            )
        // OpenSSL says the first, RFC 8446 (4.2.11) the second.
        case (47, let key?), (51, let key?):
            SystemError(
                .notPermitted,
                "the peer has another secret for this process's key \(key) (TLS alert \(number)): give both sides keys of the same root"
            )
        case (alertOfNoRoom, _?):
            SystemError(
                .connectionLost,
                "the peer takes no connection just now (TLS alert 80): it has no room, or waited too long; its log says which")
        case (70, _?): TLSProblem.version.error(isServer: false)
        case (120, _?): TLSProblem.otherProtocol.error(isServer: false)
        default: SystemError(.connectionLost, "the peer ended TLS with alert \(number): see its log")
        }
    }
}
