import Base
import Coordinator
import Foundation
import Shell
import Testing
import Topology
import Transport

/// The compose files: the paper's profiles, and commands, ports, checks and volumes that belong together.
@Suite("Compose files")
struct ComposeTests {
    static let files = ["standard", "scale-up", "scale-down", "demo"]
    private static let high = Profile(cpus: 1.0, memory: 1 << 30)
    private static let medium = Profile(cpus: 0.6, memory: 512 << 20)
    private static let low = Profile(cpus: 0.4, memory: 512 << 20)

    struct Profile: Hashable {
        let cpus: Double
        let memory: Int
    }

    /// As the coordinator reads it.
    private func workers(_ file: String, _ environment: [String: String] = [:]) throws -> [WorkerService] {
        try ComposeFile.read(path: Document.path("compose/\(file).yaml"), environment: environment, knownOptions: []).workers
    }

    private func profiles(_ file: String, _ environment: [String: String] = [:]) throws -> [String: Profile] {
        let workers = try workers(file, environment)
        return Dictionary(uniqueKeysWithValues: workers.map { ($0.name, Profile(cpus: $0.cpus ?? 0, memory: $0.memoryBytes ?? 0)) })
    }

    @Test("the paper's clusters")
    func paper() throws {
        #expect(try profiles("standard") == ["high": Self.high, "medium": Self.medium, "low": Self.low])
        #expect(
            try profiles("scale-up") == ["high": Self.high, "high-2": Self.high, "medium": Self.medium, "low": Self.low])
        #expect(try profiles("scale-down") == ["high": Self.high, "medium": Self.medium])
        #expect(try workers("demo").map(\.name) == ["worker"] && workers("demo")[0].replicas == 3)
    }

    @Test("one variable for each profile scales its CPU")
    func scaled() throws {
        let half = ["AMP4EC_CPU_HIGH": "0.5", "AMP4EC_CPU_MEDIUM": "0.3", "AMP4EC_CPU_LOW": "0.2"]
        #expect(try profiles("scale-up", half).mapValues(\.cpus) == ["high": 0.5, "high-2": 0.5, "medium": 0.3, "low": 0.2])
        #expect(try profiles("demo", ["AMP4EC_CPU": "0.25"]).mapValues(\.cpus) == ["worker": 0.25])
    }

    @Test("services", arguments: files)
    func services(file: String) throws {
        let document = try #require(try Document.load("compose/\(file).yaml").first)
        let services = document["services"]
        #expect(services.keys.contains("coordinator") && services.keys.count >= 3 - (file == "demo" ? 1 : 0))
        for (name, service) in services.entries {
            let what = "\(file).yaml: \(name)"
            let command = try CommandLine(service["command"].words)
            let check = service["healthcheck/test"].words
            #expect(check.first == "CMD", "\(what): no shell")
            try CommandLine(Array(check.dropFirst())).expectAsks(command, what)
            #expect(service["image"].string == "amp4ec:latest", "\(what)")
            #expect(service["read_only"].string == "true" && service["cap_drop"].strings == ["ALL"], "\(what)")
            #expect(service["security_opt"].strings == ["no-new-privileges:true"], "\(what)")
            try mounts(service, command, file: file, volumes: document["volumes"].keys, what)
            let published = service["ports"].strings.compactMap { $0.split(separator: ":").last.flatMap { UInt16($0) } }
            switch command.program {
            case .coordinator: #expect(Set(published) == command.ports && published.count == 2, "\(what)")
            default:
                #expect(published.isEmpty, "\(what): only the coordinator is reached from outside")
                #expect(service["deploy/endpoint_mode"].string == "dnsrr", "\(what): its name must resolve to its tasks in a stack")
            }
            // What the process may take for its end, with some room: the engine kills it then.
            let grace = try Duration(parsing: service["stop_grace_period"].string ?? "")
            if case .coordinator(let options) = command.program {
                #expect(grace > options.drainTimeout + .seconds(5), "\(what): a drain may take \(options.drainTimeout)")
            } else {
                #expect(grace >= .seconds(20), "\(what)")
            }
        }
    }

    private func mounts(
        _ service: Document, _ command: CommandLine, file: String, volumes: [String], _ what: String
    ) throws {
        var writable: Set<String> = []
        var readable: Set<String> = []
        for mount in service["volumes"].strings.map({ $0.split(separator: ":").map(String.init) }) {
            try #require(mount.count >= 2, "\(what)")
            if mount.count == 3, mount[2] == "ro" {
                readable.insert(mount[1])
            } else {
                #expect(volumes.contains(mount[0]), "\(what): \(mount[0]) is no volume of the file")
                writable.insert(mount[1])
            }
        }
        #expect(Set(command.writtenFolders) == writable, "\(what)")
        #expect(Set(command.readFiles.map { ($0 as NSString).deletingLastPathComponent }) == readable, "\(what)")
        if case .coordinator(let options) = command.program {
            #expect(options.topology == ["/topology/\(file).yaml"], "\(what): it reads another file than it stands in")
            #expect(service["volumes"].strings.contains(".:/topology:ro"), "\(what): the folder is mounted, not the file")
        }
    }

    @Test("the coordinator has the root key, workers have the cluster key and no other, where both look for one", arguments: files)
    func keys(file: String) throws {
        let document = try #require(try Document.load("compose/\(file).yaml").first)
        let files = Dictionary(uniqueKeysWithValues: document["secrets"].entries.map { ($0.key, $0.value["file"].string) })
        for (name, service) in document["services"].entries {
            let mounted = Dictionary(
                uniqueKeysWithValues: service["secrets"].list.map {
                    ("/run/secrets/\($0["target"].string ?? "?")", $0["source"].string)
                })
            let isWorker = if case .worker = try CommandLine(service["command"].words).program { true } else { false }
            var expected = [KeyPlaces.mountedPath: isWorker ? "amp4ec_cluster" : "amp4ec_root"]
            if !isWorker { expected["/run/secrets/amp4ec_http_tokens"] = "amp4ec_http_tokens" }
            #expect(mounted == expected, "\(file).yaml: \(name)")
            for source in mounted.values { #expect(files[source ?? "?"] == "secrets/\(source ?? "?")", "\(file).yaml: \(name)") }
            // The folder has the root in it.
            #expect(!isWorker || !service["volumes"].strings.contains { $0.hasPrefix(".") }, "\(file).yaml: \(name)")
        }
        #expect(files.keys.sorted() == ["amp4ec_cluster", "amp4ec_http_tokens", "amp4ec_root"])
    }

    @Test("HTTP has its tokens, and takes them without TLS only where nobody else reaches it", arguments: files)
    func tokens(file: String) throws {
        let service = try #require(try Document.load("compose/\(file).yaml").first)["services/coordinator"]
        guard case .coordinator(let options) = try CommandLine(service["command"].words).program else {
            Issue.record("\(file).yaml: the coordinator runs something else")
            return
        }
        #expect(options.httpTokenFiles == ["/run/secrets/amp4ec_http_tokens"], "\(file).yaml")
        #expect(options.httpInsecure && service["ports"].strings.allSatisfy { $0.hasPrefix("127.0.0.1:") }, "\(file).yaml")
    }

    @Test("keys never get into a commit or an image's context")
    func keysStay() throws {
        #expect(try Document.text(".gitignore").split(separator: "\n").contains("/compose/secrets/"))
        #expect(try Document.text(".dockerignore").split(separator: "\n").contains("compose/secrets"))
    }

    @Test("the stack's file changes what demo.yaml has, and publishes the coordinator's ports in host mode")
    func stack() throws {
        let demo = try #require(try Document.load("compose/demo.yaml").first)
        let swarm = try #require(try Document.load("compose/swarm.yaml").first)
        #expect(swarm["services"].keys == ["coordinator"])
        let command = try CommandLine(demo["services/coordinator/command"].words)
        let ports = swarm["services/coordinator/ports"].list
        #expect(Set(ports.compactMap { $0["target"].string.flatMap { UInt16($0) } }) == command.ports)
        #expect(ports.allSatisfy { $0["mode"].string == "host" && $0["published"].string == $0["target"].string })
        // On the network: no token without TLS.
        let changed = try CommandLine(swarm["services/coordinator/command"].words)
        #expect(changed.words == command.words.filter { $0 != "--http-insecure" } && changed.words.count == command.words.count - 1)
        // The same keys, under names that can be changed: a swarm's secrets cannot.
        #expect(swarm["secrets"].keys == demo["secrets"].keys)
        for (key, secret) in swarm["secrets"].entries {
            #expect(secret["file"].string == demo["secrets/\(key)/file"].string && secret["name"].string == "\(key)_1", "\(key)")
        }
    }

    @Test("no compose file is left out of these tests")
    func all() throws {
        #expect(try Document.files(in: "compose") == (Self.files + ["swarm"]).map { $0 + ".yaml" }.sorted())
    }

    @Test("the image exposes what the programs listen on, and is checked by a program of its own")
    func image() throws {
        let lines = try Document.text("compose/Dockerfile").split(separator: "\n")
        let exposed = lines.first { $0.hasPrefix("EXPOSE ") }?.split(separator: " ").dropFirst().compactMap { UInt16($0) } ?? []
        let services = try #require(try Document.load("compose/demo.yaml").first)["services"]
        let ports = try services.entries.flatMap { try CommandLine($0.value["command"].words).ports }
        #expect(Set(exposed) == Set(ports) && exposed.count == 3)
        #expect(lines.contains { $0.hasPrefix("HEALTHCHECK ") && $0.hasSuffix("CMD [\"amp4ec-check\"]") })
        #expect(lines.contains("USER 65532:65532"))
        let entry = lines.filter { $0.hasPrefix("CMD ") || $0.hasPrefix("ENTRYPOINT ") }
        #expect(entry.count == 1 && entry.allSatisfy { $0.contains("[\"") }, "no shell may be the first process")
    }
}
