import Foundation
import Testing

/// Files that are huge, or that unpack to something huge, as `scripts/lib/load/odd_files.py` writes them, and the commands that are given them.
enum OddFiles {
    struct Case: Sendable {
        let name: String
        let product: Product
        /// For the report.
        let command: String
        /// Exit codes that are right.
        var statuses: [Int32] = [65]
        let arguments: @Sendable (TemporaryFolder, TestCluster) -> [String]
    }

    /// For a process that says so or ends.
    static let patience: Duration = .seconds(120)
    static func make(in folder: TemporaryFolder) throws {
        let script = Places.packageRoot.appendingPathComponent("scripts/lib/load/odd_files.py").path
        let maker = Process()
        maker.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        maker.arguments = ["python3", script, folder.path("odd"), try Places.testModel("cnn.pt")]
        try maker.run()
        maker.waitUntilExit()
        try #require(maker.terminationStatus == 0)
    }

    /// Given to `amp4ec infer`, which asks the coordinator about the model first.
    private static func infer(_ file: String, _ name: String, statuses: [Int32] = [65]) -> Case {
        Case(name: name, product: .command, command: "amp4ec infer --input \(file)", statuses: statuses) { folder, cluster in
            ["infer", "--input", folder.path("odd/\(file)"), "--coordinator", cluster.address]
        }
    }

    private static func picture(_ file: String, _ name: String, statuses: [Int32] = [65]) -> Case {
        Case(name: name, product: .command, command: "amp4ec reference \(file)", statuses: statuses) { folder, _ in
            ["reference", "--model", (try? Places.testModel("pixels.pt")) ?? "", folder.path("odd/\(file)")]
        }
    }

    private static func model(_ file: String, _ name: String, statuses: [Int32] = [65]) -> [Case] {
        [
            Case(name: name, product: .command, command: "amp4ec plan --model \(file)", statuses: statuses) { folder, _ in
                ["plan", "--model", folder.path("odd/\(file)"), "--nodes", "2:1GiB"]
            },
            Case(name: name, product: .coordinator, command: "amp4ec-coordinator --model \(file)", statuses: statuses) {
                folder, _ in
                ["--workers", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--model", folder.path("odd/\(file)")]
            },
        ].filter { !statuses.contains(0) || $0.product == .command }
    }

    private static func topology(_ file: String, _ name: String) -> Case {
        Case(name: name, product: .coordinator, command: "amp4ec-coordinator --topology \(file)") { folder, _ in
            [
                "--topology", folder.path("odd/\(file)"), "--listen", "127.0.0.1:0", "--model",
                (try? Places.testModel("cnn.pt")) ?? "",
            ]
        }
    }

    static let all: [Case] =
        [
            infer("right.npy", "`.npy` of 737 MB, right in every way"),
            infer("over-the-limit.npy", "`.npy` of 8 GiB, right but for its size"),
            infer("nothing-in-it.npy", "`.npy` of 4 GiB of zeros"),
            infer("long-header.npy", "`.npy` whose header has 2 GiB"),
            infer("deep-header.npy", "`.npy` whose header opens 60,000 brackets"),
            infer("shape.npy", "`.npy` of 2,000 dimensions"),
            infer("bomb.npz", "`.npz` of 1 MB that unpacks to 983 MB"),
            infer("many.npz", "`.npz` of 20,000 arrays"),
            infer("overlap.npz", "`.npz` whose 1,000 entries are the same bytes"),
            infer("sparse.npz", "`.npz` of 4 GiB of zeros"),
            picture("huge.png", "PNG of 100,000 × 100,000 pixels"), picture("large.png", "PNG of 98 megapixels", statuses: [0]),
            picture("interlaced.png", "interlaced PNG of 98 megapixels"), picture("sparse.png", "PNG and 4 GiB of zeros"),
            picture("huge.jpg", "JPEG of 65,500 × 65,500 pixels"), picture("large.jpg", "JPEG of 98 megapixels", statuses: [0]),
            picture("progressive.jpg", "progressive JPEG of 98 megapixels", statuses: [0]),
            picture("scans.jpg", "JPEG of 2,000 scans"), picture("sparse.jpg", "JPEG and 4 GiB of zeros"),
        ]
        + model("sparse.pt", "`.pt` of 8 GiB of zeros") + model("sparse-pickle.pt", "pickle of 8 GiB")
        + model("deep-manifest.pt", "`.pt`, manifest of 1,000,000 brackets")
        + model("long-manifest.pt", "`.pt`, manifest of 61 MB of labels")
        + model("manifest-bomb.pt", "`.pt`, manifest that unpacks to 60 MB")
        + model("code-bomb.pt", "`.pt`, code that unpacks to 60 MB each")
        + model("pickle-bomb.pt", "`.pt`, pickles that unpack to 60 MB each", statuses: [0, 65])
        + model("deep-pickle.pt", "`.pt`, pickle of 5,000,000 marks")
        + model("many.pt", "`.pt` of 20,000 entries")
        + [
            topology("sparse.yaml", "YAML of 4 GiB of zeros"), topology("deep.yaml", "YAML of 500,000 brackets"),
            topology("deep-block.yaml", "YAML of 1,300 levels"), topology("laughs.yaml", "YAML of 9³⁹ aliases"),
            topology("merges.yaml", "YAML of merges of merges"), topology("one-key.yaml", "YAML of one key of 1 MB"),
        ]
}
