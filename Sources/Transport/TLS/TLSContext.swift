public import Base
internal import CTLS
internal import Glibc

/// What all encrypted connections of a process have in common: the keys, and the library's settings.
///
/// TLS 1.3 with pre-shared keys alone: no certificates, no session tickets, no early data. Keys are exchanged by X25519 or P-256 in each
/// handshake, so that whoever learns a pre-shared key later cannot read what was recorded.
///
/// ## Concurrency model
/// Everything is set by the initialiser and only read from then on; OpenSSL lets any number of threads open connections of one context.
/// The blocks that ``Blocks`` lends are behind its lock.
public final class TLSContext: @unchecked Sendable {
    public enum Cipher: String, Sendable, CaseIterable {
        /// The fastest where the processor has instructions for it.
        case aes128GCM = "TLS_AES_128_GCM_SHA256"
        /// For processors without them.
        case chaCha20Poly1305 = "TLS_CHACHA20_POLY1305_SHA256"
    }

    /// What is spoken inside: something else that uses the same key is turned away by the handshake.
    public static let protocolName = "amp4ec/1"
    /// RFC 8446, section 5.5: AES-GCM keeps its promise for 2^24.5 full records, which are 388 GB. Renewed long before that.
    static let recordsPerKey = 1 << 23

    let rawValue: OpaquePointer
    let ownKey: PreSharedKey
    let blocks: Blocks
    let recordsPerKey: Int
    private let keys: [String: PreSharedKey]
    private let lookUp: (@Sendable (_ name: String) -> KeyAnswer)?

    /// - Parameters:
    ///   - keys: the first is what this process uses as a client and names first as its own; as a server it accepts each of them.
    ///   - ciphers: in the order of preference. A peer that prefers ChaCha20 gets it: it has its reason.
    ///   - lookUp: a server's further keys, by the name that a peer says, such as one for each label; asked on the connection's thread
    ///     within a handshake, at most four times in each.
    public convenience init(
        keys: [PreSharedKey], ciphers: [Cipher] = [.aes128GCM, .chaCha20Poly1305],
        lookUp: (@Sendable (_ name: String) -> KeyAnswer)? = nil
    ) throws(ValueError) {
        try self.init(
            keys: keys, ciphers: ciphers, protocolName: Self.protocolName, recordsPerKey: Self.recordsPerKey, lookUp: lookUp)
    }

    /// With the keys of a process.
    public convenience init(_ ring: KeyRing, ciphers: [Cipher] = [.aes128GCM, .chaCha20Poly1305]) throws(ValueError) {
        try self.init(keys: ring.own, ciphers: ciphers) { ring.answer(to: $0) }
    }

    package init(
        keys: [PreSharedKey], ciphers: [Cipher], protocolName: String, recordsPerKey: Int,
        blockRecords: Int = Blocks.defaultRecordCount, lookUp: (@Sendable (_ name: String) -> KeyAnswer)? = nil
    ) throws(ValueError) {
        guard let ownKey = keys.first else { throw ValueError("encryption needs a key") }
        guard !ciphers.isEmpty else { throw ValueError("encryption needs a cipher") }
        for key in keys where key.name.utf8.count > AMP_TLS_NAME_LIMIT {
            throw ValueError("the name \(key.name) of a key is over the limit of \(AMP_TLS_NAME_LIMIT) bytes")
        }
        self.keys = Dictionary(keys.map { ($0.name, $0) }) { first, _ in first }
        self.ownKey = ownKey
        self.lookUp = lookUp
        self.recordsPerKey = recordsPerKey
        blocks = Blocks(recordCount: blockRecords)
        guard let context = amp_tls_context_create(ciphers.map(\.rawValue).joined(separator: ":"), protocolName) else {
            throw ValueError("OpenSSL's libssl on this machine offers no TLS 1.3 with \(ciphers.map(\.rawValue))")
        }
        rawValue = context
    }

    deinit { amp_tls_context_free(rawValue) }

    /// For ``ConnectionOptions/makeChannel`` where nothing but TLS is taken, not even to be told so.
    package func makeChannel(isServer: Bool) -> any ByteChannel { TLSChannel(self, isServer: isServer) }

    func answer(to name: String) -> KeyAnswer { keys[name].map { .key($0) } ?? lookUp?(name) ?? .unknown }
}
