internal import Base
internal import NIOCore
internal import NIOSSL
internal import Shell

/// A certificate and its key, and what a connection is agreed on with them: TLS 1.2 or 1.3, and HTTP/1.1 in it.
public struct GatewayTLS: Sendable {
    /// A chain of ten large certificates has some 30 KiB.
    static let certificateByteLimit = 1 << 20
    static let keyByteLimit = 64 << 10

    static let certificateOption = "--http-tls-cert"
    static let keyOption = "--http-tls-key"

    private let configuration: TLSConfiguration
    /// Until when the first certificate is good: seconds since 1970.
    public let endOfValidity: Int

    /// Reads and checks both files, PEM.
    public init(certificateFile: String, keyFile: String) throws(GatewayError) {
        let certificates = try Self.certificates(certificateFile)
        let key = try Self.key(keyFile)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do { _ = try NIOSSLContext(configuration: configuration) } catch {
            throw GatewayError(
                .badData,
                "\(Self.keyOption): \(keyFile): it is not the key of the first certificate of \(certificateFile); give the two that were made together, the server's own certificate first"
            )
        }
        self.configuration = configuration
        endOfValidity = certificates.first?.notValidAfter ?? 0
    }

    /// - Parameter shutdownLimit: how long a connection's end waits for the other side's word.
    func configuration(shutdownLimit: Duration) -> TLSConfiguration {
        var configuration = configuration
        configuration.shutdownTimeout = TimeAmount(shutdownLimit)
        return configuration
    }

    private static func certificates(_ path: String) throws(GatewayError) -> [NIOSSLCertificate] {
        let bytes = try OptionFile.read(path, option: certificateOption, byteLimit: certificateByteLimit, isPrivate: false)
        let problem: String
        do {
            let certificates = try NIOSSLCertificate.fromPEMBytes(bytes)
            if !certificates.isEmpty { return certificates }
            problem = "it holds no certificate"
        } catch {
            let isNone = !String(decoding: bytes, as: UTF8.self).contains("-----BEGIN CERTIFICATE-----")
            problem = isNone ? "it holds no certificate" : "a certificate in it cannot be read"
        }
        throw GatewayError(
            .badData,
            "\(certificateOption): \(path): \(problem); give a PEM file with the server's certificate, and behind it those up to the authority's"
        )
    }

    private static func key(_ path: String) throws(GatewayError) -> NIOSSLPrivateKey {
        let bytes = try OptionFile.read(path, option: keyOption, byteLimit: keyByteLimit, isPrivate: true)
        let text = String(decoding: bytes, as: UTF8.self)
        func refused(_ problem: String, _ fix: String) -> GatewayError {
            GatewayError(.badData, "\(keyOption): \(path): \(problem); \(fix)")
        }
        guard !text.contains("ENCRYPTED") else {
            throw refused("it has a pass phrase", "write it without one: openssl pkey -in \(path) -out key.pem")
        }
        // Without a callback the library would ask at the terminal.
        do { return try NIOSSLPrivateKey(bytes: bytes, format: .pem, passphraseCallback: { $0([UInt8]()) }) } catch {
            throw refused(
                text.contains("PRIVATE KEY-----") ? "the key in it cannot be read" : "it holds no private key",
                "give a PEM file with the certificate's key")
        }
    }
}
