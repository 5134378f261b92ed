import Arrays
import Foundation
import Tensors
import Testing
import Transport

/// What is refused before anything runs: the exit status, and a message that names the file, the field and the fix.
@Suite("Refusals on the command line")
struct CommandLineTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let product: Product
        let status: Int32
        /// What stands in stderr.
        let mentions: [String]
        var environment: [String: String] = [:]
        let arguments: @Sendable (TemporaryFolder) throws -> [String]

        init(
            _ testDescription: String, _ product: Product, exits status: Int32, mentions: [String],
            environment: [String: String] = [:],
            _ arguments: @escaping @Sendable (TemporaryFolder) throws -> [String]
        ) {
            self.testDescription = testDescription
            self.product = product
            self.status = status
            self.mentions = mentions
            self.environment = environment
            self.arguments = arguments
        }
    }

    /// Nobody listens there: what is refused is refused before a worker is needed.
    private static let noWorkers = ["--workers", "127.0.0.1:1", "--listen", "127.0.0.1:0"]

    /// A coordinator with a model that is made of a good one.
    private static func model(
        _ testDescription: String, mentions: [String], _ bytes: @escaping @Sendable () throws -> Data
    ) -> Case {
        Case(testDescription, .coordinator, exits: 65, mentions: mentions + ["model.pt"]) { folder in
            noWorkers + ["--model", try folder.write("model.pt", bytes())]
        }
    }

    static let models = [
        Case("no such model", .coordinator, exits: 65, mentions: ["absent.pt", "No such file"]) {
            noWorkers + ["--model", $0.path("absent.pt")]
        },
        model("an empty model", mentions: ["is empty", "copy or download it again"]) { Data() },
        model("half a model", mentions: ["directory", "copy or download it again"]) {
            let whole = try Damage.read("cnn.pt")
            return whole.prefix(whole.count / 2)
        },
        model("text as a model", mentions: ["TorchScript", "export-model"]) { Data("not a model at all, just text\n".utf8) },
        model("a pickle", mentions: ["pickle", "export-model"]) { try Damage.read("pickle.pth") },
        model("a state_dict", mentions: ["state_dict", "export-model"]) { try Damage.read("state-dict.pth") },
        model("absurd declared sizes", mentions: ["declares", "2147483647"]) { try Damage.withAbsurdSizes(Damage.read("cnn.pt")) },
        model("no manifest and no --spec", mentions: ["amp4ec.json", "--spec image:float32[N,"]) {
            try Damage.withoutManifest(Damage.read("cnn.pt"))
        },
        Case(
            "half of the inputs by forward's names", .coordinator, exits: 65, mentions: ["\"features\", \"context\"", "\"b\" not"]
        ) { _ in
            noWorkers + [
                "--model", try Places.testModel("two-inputs.pt"), "--input", "b:float32[N,6]", "--input", "features:float32[N,12]",
            ]
        },
        Case("an unknown word about the batch", .coordinator, exits: 64, mentions: ["checked", "independent"]) { _ in
            noWorkers + ["--model", try Places.testModel("cnn.pt"), "--batch", "maybe"]
        },
        Case(
            "outputs without a fixed structure", .coordinator, exits: 65,
            mentions: ["sometimes-none.pt", "output \"aux\"", "return a tensor always, or never"]
        ) { _ in
            noWorkers + ["--model", try Places.testModel("sometimes-none.pt"), "--spec", "x:float32[N,4]"]
        },
        Case(
            "an --example without the model's arrays", .coordinator, exits: 65,
            mentions: ["--example", "has no array \"features\", an input of the model; it has other", "features=…, context=…"]
        ) { folder in
            let example = folder.path("example.npz")
            try NPZ.write(example, [("other", Tensor(shape: [1], values: [Float(1)]))])
            return noWorkers + ["--model", try Places.testModel("two-inputs.pt"), "--example", example]
        },
        Case("an --example that is not there", .coordinator, exits: 65, mentions: ["--example", "nowhere.npz"]) { _ in
            noWorkers + ["--model", try Places.testModel("cnn.pt"), "--example", "nowhere.npz"]
        },
        Case("a --spec that does not fit the model", .coordinator, exits: 65, mentions: ["cnn.pt"]) { _ in
            noWorkers + ["--model", try Places.testModel("cnn.pt"), "--input", "image:float32[N,5,32,32]"]
        },
        Case(
            "a --spec too many", .coordinator, exits: 65, mentions: ["takes 1 inputs (image)", "but 2 are described", "--spec"]
        ) { _ in
            noWorkers + [
                "--model", try Places.testModel("cnn.pt"), "--spec", "image:float32[N,3,32,32]", "--spec", "more:float32[N]",
            ]
        },
        Case("an --input (as --spec was called) that does not parse", .coordinator, exits: 64, mentions: ["image:float99"]) { _ in
            noWorkers + ["--model", try Places.testModel("cnn.pt"), "--input", "image:float99[N]"]
        },
    ]

    private static func compose(_ testDescription: String, mentions: [String], _ text: String) -> Case {
        Case(testDescription, .coordinator, exits: 65, mentions: mentions + ["compose.yaml"]) { folder in
            [
                "--topology", try folder.write("compose.yaml", text), "--listen", "127.0.0.1:0", "--model",
                try Places.testModel("cnn.pt"),
            ]
        }
    }

    static let topologies = [
        compose(
            "a topology with no worker", mentions: ["services", "db", "amp4ec-worker"], "services:\n  db: {image: postgres}\n"),
        compose("no services at all", mentions: ["services"], "x-amp4ec: {optimize: O0}\n"),
        compose(
            "an unknown option", mentions: ["x-amp4ec.optimise", "did you mean optimize?"],
            "x-amp4ec: {optimise: O0}\nservices:\n  w1: {command: amp4ec-worker --listen 9000}\n"),
        compose(
            "a value that an option does not take",
            mentions: ["compose.yaml:1:22: x-amp4ec.deadline: \"5\" is no value", "write a number"],
            "x-amp4ec: {deadline: 5}\nservices:\n  w1: {command: amp4ec-worker --listen 9000}\n"),
        compose(
            "a value that cannot be", mentions: ["compose.yaml:1:22: x-amp4ec.optimize: O2"],
            "x-amp4ec: {optimize: O2}\nservices:\n  w1: {command: amp4ec-worker --listen 9000}\n"),
        compose("YAML that does not parse", mentions: [":3:1: not valid YAML"], "services:\n  w1: {command: [amp4ec-worker\n"),
        compose(
            "two workers of one name", mentions: ["--name same", "w1"],
            "services:\n  w1: {command: amp4ec-worker --name same}\n  w2: {command: amp4ec-worker --name same}\n"),
        compose(
            "a worker's port out of range", mentions: ["w1", "99999"],
            "services:\n  w1: {command: amp4ec-worker --listen 99999}\n"),
        Case("a settings file's topology is not there", .coordinator, exits: 65, mentions: ["absent.yaml", "No such file"]) {
            ["--config", try $0.write("options.yaml", "topology: absent.yaml\n"), "--listen", "127.0.0.1:0"]
        },
        Case("no such topology", .coordinator, exits: 65, mentions: ["absent.yaml", "No such file"]) {
            ["--topology", $0.path("absent.yaml"), "--listen", "127.0.0.1:0", "--model", try Places.testModel("cnn.pt")]
        },
    ]

    static let usage: [Case] = [
        Case("--optimize O2", .coordinator, exits: 64, mentions: ["--optimize", "O2", "O0 or O1"]) { _ in
            noWorkers + ["--model", try Places.testModel("cnn.pt"), "--optimize", "O2"]
        },
        Case("no model", .coordinator, exits: 64, mentions: ["--model"]) { _ in noWorkers },
        Case("topology and workers", .coordinator, exits: 64, mentions: ["--topology", "--workers"]) { _ in
            noWorkers + ["--topology", "compose.yaml", "--model", "x.pt"]
        },
        Case("a worker's address that is none", .coordinator, exits: 64, mentions: ["--workers", "nonsense:port"]) { _ in
            ["--workers", "nonsense:port", "--model", "x.pt"]
        },
        Case("an unknown option of the coordinator", .coordinator, exits: 64, mentions: ["--modle"]) { _ in ["--modle", "x.pt"] },
        Case("an unknown option of the worker", .worker, exits: 64, mentions: ["--lisen"]) { _ in ["--lisen", "9000"] },
        Case("no threads", .worker, exits: 64, mentions: ["--threads", "0"]) { _ in ["--threads", "0"] },
        Case("a memory limit that is none", .worker, exits: 64, mentions: ["--memory-limit", "much"]) { _ in
            ["--memory-limit", "much"]
        },
        Case("an unknown command", .command, exits: 64, mentions: ["infre"]) { _ in ["infre"] },
        Case("pictures and arrays at once", .command, exits: 64, mentions: ["--input"]) { _ in
            ["infer", "a.jpg", "--input", "b.npz"]
        },
        Case("a bench without an end", .command, exits: 64, mentions: ["--duration", "--requests"]) { _ in ["bench"] },
        Case("a node pinned twice", .command, exits: 64, mentions: ["--pin", "a", "twice"]) { _ in
            ["plan", "--model", try Places.testModel("cnn.pt"), "--nodes", "a=1:1GiB,b=1:1GiB", "--pin", "a=0", "--pin", "a=1"]
        },
        Case("no node left", .command, exits: 64, mentions: ["--without", "last node"]) { _ in
            ["plan", "--model", try Places.testModel("cnn.pt"), "--nodes", "a=1:1GiB", "--without", "a"]
        },
        Case("a picture into no folder", .command, exits: 65, mentions: ["/nowhere/plan.svg", "No such file"]) { _ in
            ["plan", "--model", try Places.testModel("cnn.pt"), "--nodes", "1:1GiB", "--svg", "/nowhere/plan.svg"]
        },
        Case("a duration that is none", .command, exits: 64, mentions: ["--duration", "soon"]) { _ in
            ["bench", "--duration", "soon"]
        },
    ]

    /// A key that cannot be used stops the start, however it is given: going on without it would be plain text.
    static let secrets: [Case] = [Product.worker, .coordinator, .command].flatMap { product in
        let work: [String] =
            product == .coordinator
            ? noWorkers + ["--model", "x.pt"] : product == .command ? ["status"] : ["--listen", "127.0.0.1:0"]
        let option = "--cluster-secret-file"
        func wrong(_ what: String, mentions: [String], mode: Int = 0o600, _ text: @escaping @Sendable () throws -> String) -> Case {
            Case("\(product.rawValue): \(what)", product, exits: 65, mentions: mentions) { folder in
                let path = folder.path("key")
                try TestKeys.write(text(), to: path, mode: mode)
                return work + [option, path]
            }
        }
        let otherKind: ClusterKey.Kind = product == .command ? .cluster : .client
        return [
            wrong("a key that is none", mentions: ["key", "amp4ec-KIND:SECRET"]) { "0123456789abcdef0123456789abcdef" },
            wrong("a key that others can read", mentions: ["other users can read", "chmod 600"], mode: 0o644) {
                try TestKeys.freshRoot().secretText
            },
            wrong("a key of another kind", mentions: ["key", product == .coordinator ? "needs the root key" : "needs"]) {
                try TestKeys.shared.get().key(otherKind).secretText
            },
            Case(
                "\(product.rawValue): a key by environment that is not there", product, exits: 65,
                mentions: ["/run/somewhere/secret"],
                environment: ["AMP4EC_CLUSTER_SECRET_FILE": "/run/somewhere/secret"]
            ) { _ in work },
            Case("\(product.rawValue): three keys", product, exits: 64, mentions: [option, "given 3 times"]) { _ in
                let path = try TestKeys.shared.get().path(product.keyKind)
                return work + [option, path, option, path, option, path]
            },
        ]
    }

    static let unreachable: [Case] = [
        Case("no coordinator there: status", .command, exits: 69, mentions: ["127.0.0.1:1"]) { _ in
            ["status", "--coordinator", "127.0.0.1:1"]
        },
        Case("no coordinator there: infer", .command, exits: 69, mentions: ["127.0.0.1:1"]) {
            ["infer", "--input", try $0.write("x.npy", ""), "--coordinator", "127.0.0.1:1"]
        },
        Case("no coordinator there: bench", .command, exits: 69, mentions: ["127.0.0.1:1"]) { _ in
            ["bench", "--requests", "1", "--coordinator", "127.0.0.1:1"]
        },
        Case("a coordinator's name that does not resolve", .command, exits: 69, mentions: ["no-such-host.invalid"]) { _ in
            ["status", "--coordinator", "no-such-host.invalid:9100"]
        },
    ]

    @Test("models", arguments: models) func refusesModel(_ test: Case) async throws { try await check(test) }
    @Test("topologies", arguments: topologies) func refusesTopology(_ test: Case) async throws { try await check(test) }
    @Test("usage", arguments: usage) func refusesUsage(_ test: Case) async throws { try await check(test) }
    @Test("secrets", arguments: secrets) func refusesSecret(_ test: Case) async throws { try await check(test) }
    @Test("nobody there", arguments: unreachable) func saysUnreachable(_ test: Case) async throws { try await check(test) }

    private func check(_ test: Case) async throws {
        let folder = try TemporaryFolder()
        let run = try await CommandRun.inTurn(test.product, test.arguments(folder), environment: test.environment, in: folder)
        #expect(run.ending == .exited(test.status), "\(run)")
        for part in test.mentions { #expect(run.errors.contains(part), "\"\(part)\" in: \(run.errors)") }
        #expect(run.output.split(separator: "\n").allSatisfy { $0.hasPrefix("listening on ") }, "\(run)")
    }

    @Test(
        "--help and --version: stdout, exit 0", arguments: [Product.worker, .coordinator, .command, .check],
        ["--help", "--version"])
    func information(product: Product, option: String) async throws {
        let run = try await CommandRun.inTurn(product, [option], in: TemporaryFolder())
        #expect(run.ending == .exited(0) && run.errors.isEmpty, "\(run)")
        #expect(option == "--version" ? run.output.contains(".") : run.output.contains("USAGE: \(product.rawValue)"), "\(run)")
    }

    @Test("--help, --version and a wrong option come before a file that cannot be used")
    func brokenFile() async throws {
        let folder = try TemporaryFolder()
        let file = ["--config", try folder.write("options.yaml", "deadline: soon\n")]
        for (option, ending, says) in [("--help", 0, "USAGE"), ("--version", 0, "."), ("--modle", 64, "--modle")]
            as [(String, Int32, String)]
        {
            let run = try await CommandRun.inTurn(.coordinator, file + [option], in: folder)
            #expect(run.ending == .exited(ending) && (run.output + run.errors).contains(says), "\(run)")
        }
    }

    @Test("a port in use: the port and what to do", arguments: [Product.worker, .coordinator])
    func portInUse(product: Product) async throws {
        let folder = try TemporaryFolder()
        let taken = try TakenPort()
        var arguments = ["--listen", "127.0.0.1:\(taken.port)"]
        if product == .coordinator { arguments += ["--workers", "127.0.0.1:1", "--model", try Places.testModel("cnn.pt")] }
        let run = try await CommandRun.inTurn(product, arguments, in: folder)
        #expect(run.ending == .exited(1), "\(run)")
        #expect(run.errors.contains("port \(taken.port) is in use") && run.errors.contains("0 for any free one"), "\(run)")
    }
}

/// Files that were good once.
enum Damage {
    static func read(_ file: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: Places.testModel(file))) }

    /// The archive without its manifest: the record has a name that nobody asks for.
    static func withoutManifest(_ archive: Data) throws -> Data {
        var archive = archive
        var from = archive.startIndex
        while let found = archive.range(of: Data("amp4ec.json".utf8), in: from..<archive.endIndex) {
            archive.replaceSubrange(found, with: Data("another.txt".utf8))
            from = found.upperBound
        }
        return archive
    }

    /// Each entry of the directory declares 2 GiB.
    static func withAbsurdSizes(_ archive: Data) throws -> Data {
        var archive = archive
        var from = archive.startIndex
        let entry = Data([0x50, 0x4b, 1, 2])
        while let found = archive.range(of: entry, in: from..<archive.endIndex) {
            let sizes = found.lowerBound + 20
            archive.replaceSubrange(sizes..<(sizes + 8), with: [0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f])
            from = found.upperBound
        }
        return archive
    }
}
