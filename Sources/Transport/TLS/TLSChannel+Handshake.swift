internal import CTLS
internal import Glibc
internal import Loops

extension TLSChannel {
    /// A name in a hello that leads nowhere costs a look-up each.
    private static let askedNameLimit = 4

    public func handshake(on socket: Int32) -> ChannelHandshake {
        while true {
            if case .failed(let error) = state {
                // With the alert that tells the peer.
                _ = sendPending(to: socket)
                return .failed(error)
            }
            switch sendPending(to: socket) {
            case .done: break
            case .blocked: return .waits(.writable)
            case .failed(let error):
                state = .failed(error)
                return .failed(error)
            }
            if case .open = state { return .done }
            if tls == nil {
                // A server makes it once there is a record that may be a hello.
                if !isServer {
                    makeLibrary()
                    step(withRecord: false)
                    continue
                }
            }
            switch records.receive(from: socket) {
            case .whole: step(withRecord: true)
            case .waits: return .waits(.readable)
            case .ended: fail(.brokenOff)
            case .failed(ECONNRESET): fail(.brokenOff)
            case .failed(let reason): state = .failed(SystemError("reading from the peer", systemError: reason))
            case .refused(let problem): fail(problem)
            }
        }
    }

    private func makeLibrary() {
        if isServer {
            // Asked within `amp_tls_handshake` alone, which this object calls.
            tls = amp_tls_create_server(
                context.rawValue,
                { user, name, count, secret in
                    guard let user, let name, let secret else { return 0 }
                    let channel = Unmanaged<TLSChannel>.fromOpaque(user).takeUnretainedValue()
                    let key = channel.find(UnsafeBufferPointer(start: name, count: count))
                    return key?.secret.withBytes { bytes in
                        for (index, byte) in bytes.enumerated() { secret[index] = byte }
                        return bytes.count
                    } ?? 0
                }, Unmanaged.passUnretained(self).toOpaque())
        } else {
            let key = context.ownKey
            tls = key.secret.withBytes { amp_tls_create_client(context.rawValue, key.name, $0.baseAddress, $0.count) }
        }
        if tls == nil { fail(.noMemory) }
    }

    private func find(_ name: UnsafeBufferPointer<UInt8>) -> PreSharedKey? {
        guard askedNames.count < Self.askedNameLimit else { return nil }
        // It goes into a log: what is not plain ASCII is no name of ours.
        let isPlain = name.count <= AMP_TLS_NAME_LIMIT && name.allSatisfy { (0x21...0x7E).contains($0) }
        let text = isPlain ? String(decoding: name, as: UTF8.self) : "(no name of AMP4EC's)"
        askedNames.append(text)
        guard isPlain else { return nil }
        switch context.answer(to: text) {
        case .key(let key):
            claimedIdentity = key.identity
            return key
        case .unknown: return nil
        case .refused(let why):
            refusedKey = refusedKey ?? why
            return nil
        }
    }

    /// Lets the library take its next step, with the record that has come.
    private func step(withRecord: Bool) {
        if tls == nil { makeLibrary() }
        guard let tls else { return }
        let record = records
        let status = withAnswers(of: tls) {
            record.bytes.withUnsafeBufferPointer { bytes in
                if withRecord { amp_tls_lend_input(tls, bytes.baseAddress, bytes.count) }
                defer { amp_tls_lend_input(tls, nil, 0) }
                return amp_tls_handshake(tls)
            }
        }
        if withRecord { records.removeRecord() }
        switch status {
        case AMP_TLS_DONE: established(tls)
        case AMP_TLS_NEEDS_INPUT: break
        case AMP_TLS_NEEDS_OUTPUT: fail(.library("the handshake is longer than any known"))
        default: fail(problem(of: tls))
        }
    }

    private func established(_ tls: OpaquePointer) {
        guard amp_tls_has_used_key(tls) == 1 else { return fail(.noKey) }
        guard amp_tls_has_protocol(tls) == 1 else { return fail(.otherProtocol) }
        // To a client the server has shown that it has the same key.
        guard let identity = isServer ? claimedIdentity : context.ownKey.identity else { return fail(.noKey) }
        peerIdentity = identity
        records = HandshakeRecords()
        askedNames = []
        state = .open
    }

    /// What the library's failure means here.
    func problem(of tls: OpaquePointer) -> TLSProblem {
        switch amp_tls_failure_kind(tls) {
        case AMP_TLS_FAILURE_ALERT:
            let isAnswer = isHandshaking && !isServer
            return .alert(Int(amp_tls_failure_alert(tls)), toHelloWith: isAnswer ? context.ownKey.name : nil)
        case AMP_TLS_FAILURE_CERTIFICATE: return .noKey
        case AMP_TLS_FAILURE_VERSION: return isHandshaking ? .version : .changedRecord
        case AMP_TLS_FAILURE_BINDER: return .binder(askedNames.last ?? "")
        case AMP_TLS_FAILURE_PROTOCOL: return .otherProtocol
        case AMP_TLS_FAILURE_RECORD where !isHandshaking || claimedIdentity != nil: return .changedRecord
        default: break
        }
        guard isHandshaking, isServer, claimedIdentity == nil else { return .library(String(cString: amp_tls_failure_text(tls))) }
        if let refusedKey { return .refusedKey(refusedKey) }
        return askedNames.first.map { .unknownKey($0, known: context.ownKey.name) } ?? .noKey
    }
}
