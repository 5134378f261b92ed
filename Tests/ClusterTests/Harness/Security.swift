import AMP4ECClient
import Foundation
import Testing
import Transport

/// Whether the processes of a test, their clients and the rogues encrypt. All do unless a test says `.plainText`.
///
/// It is bound to the task, so that what a test starts at whatever depth has it; a thread of the harness is given it.
enum Security: Sendable {
    case encrypted
    case plain

    @TaskLocal static var current = usual

    /// `AMP4EC_TEST_PLAIN=1`: everything in plain text, to see what of a failure or a figure is TLS's.
    private static let usual: Security = ProcessInfo.processInfo.environment["AMP4EC_TEST_PLAIN"] == "1" ? .plain : .encrypted

    /// The key file of a process of the product; `nil`: none.
    func keyPath(of product: Product) throws -> String? {
        guard self == .encrypted else { return nil }
        return try TestKeys.shared.get().path(product.keyKind)
    }

    /// What a client of the library proves.
    var clientSecret: AMP4ECClient.Secret {
        get throws {
            switch self {
            case .encrypted: .file(try TestKeys.shared.get().path(.operator))
            case .plain: .none
            }
        }
    }

    /// What a rogue proves to whom it dials.
    func dialing(as kind: ClusterKey.Kind) throws -> TLSContext? {
        self == .encrypted ? try TestKeys.shared.get().dialing(as: kind) : nil
    }

    /// What a rogue proves, and whom it takes, where it is dialled.
    func accepting(as owner: RogueServerKind) throws -> TLSContext? {
        self == .encrypted ? try TestKeys.shared.get().accepting(as: owner) : nil
    }
}

/// What a rogue that is dialled pretends to be.
enum RogueServerKind: Sendable { case worker, coordinator }

extension AMP4ECClient.Options {
    /// With the key of the test, and none of this machine's user.
    static func ofTest() throws -> Self {
        var options = AMP4ECClient.Options()
        options.secret = try Security.current.clientSecret
        return options
    }
}

/// Tests in which nobody has a key: those of the plain protocol's first bytes.
struct SecurityTrait: SuiteTrait, TestTrait, TestScoping {
    let security: Security
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Security.$current.withValue(security) { try await function() }
    }
}

extension Trait where Self == SecurityTrait {
    static var plainText: Self { SecurityTrait(security: .plain) }
}
