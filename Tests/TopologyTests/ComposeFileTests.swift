import Base
import Shell
import Testing
import Topology

/// The coordinator options that these tests know.
let knownOptions: [KnownOption] = [
    KnownOption("model", .path), KnownOption("listen"), KnownOption("http"), KnownOption("micro-batch"),
    KnownOption("insecure", .flag),
    KnownOption("input", .repeated), KnownOption("topology", .pathOrDNS), KnownOption("deadline"),
]

func parse(_ text: String, environment: [String: String] = [:]) throws -> Topology {
    try ComposeFile.parse(
        text: text, file: "compose.yaml", directory: "/srv/app", environment: environment, knownOptions: knownOptions)
}

/// One service `w` with these lines in it.
func service(_ lines: String, environment: [String: String] = [:]) throws -> WorkerService {
    let indented = lines.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    let topology = try parse("services:\n  w:\n\(indented)\n", environment: environment)
    return try #require(topology.workers.first)
}

@Suite("Compose files")
struct ComposeFileTests {
    @Test func aFileOfToday() throws {
        let topology = try parse(
            """
            name: demo
            x-amp4ec:
              model: models/net.pt
              listen: 7000
              insecure: true
              input: ["a:float32[N,3]", "b:int64[N]"]
            x-worker: &worker
              image: amp4ec
              restart: unless-stopped
            services:
              coordinator:
                <<: *worker
                command: amp4ec-coordinator --topology compose.yaml
                ports: ["7000:7000"]
              w1:
                <<: *worker
                command: amp4ec-worker --listen 9000 --name first
                ports: ["9001:9000"]
                deploy:
                  resources:
                    limits: {cpus: "0.5", memory: 512M}
              w2:
                <<: *worker
                command: ["/usr/local/bin/amp4ec-worker", "--listen=:9100", "--insecure"]
                cpus: 1.5
                mem_limit: 1g
                x-amp4ec: {stage: 2}
              registry:
                image: registry:2
                command: ["serve", "${ONLY_THE_HOST_KNOWS:?}"]
              w3:
                image: amp4ec
                x-amp4ec: {role: worker, exclude: yes}
                deploy: {replicas: 3}
            """)
        #expect(topology.workers.map(\.name) == ["w1", "w2", "w3"])
        let (w1, w2, w3) = (topology.workers[0], topology.workers[1], topology.workers[2])
        #expect(w1.port == 9_000 && w1.declaredNodeName == "first" && w1.host == "w1")
        #expect(w1.cpus == 0.5 && w1.memoryBytes == 512 << 20 && w1.replicas == nil)
        #expect(w1.publishedAddresses == [HostPort(host: "localhost", port: 9_001)])
        #expect(w2.port == 9_100 && w2.options == ["listen": ":9100", "insecure": "true"] && w2.cpus == 1.5)
        #expect(w2.memoryBytes == 1 << 30 && w2.annotation.stage == 2 && w2.publishedAddresses.isEmpty)
        #expect(w3.port == 9_000 && w3.replicas == 3 && w3.annotation == WorkerAnnotation(role: .worker, exclude: true))
        #expect(topology.coordinatorOptions["model"] == "/srv/app/models/net.pt")
        #expect(topology.coordinatorOptions["listen"] == "7000")
        #expect(topology.coordinatorOptions.values["input"] == ["a:float32[N,3]", "b:int64[N]"])
        #expect(
            topology.coordinatorOptions.arguments(notGivenIn: ["--listen=1", "--topology", "x"])
                == ["--input=a:float32[N,3]", "--input=b:int64[N]", "--insecure", "--model=/srv/app/models/net.pt"])
    }

    @Test func aVersion3FileForSwarm() throws {
        let topology = try parse(
            """
            version: "3.8"
            services:
              worker:
                image: amp4ec:latest
                entrypoint: amp4ec-worker
                command: --listen 0.0.0.0:9000 --cache-dir "/var/cache/a b"
                networks: [back]
                deploy:
                  mode: replicated
                  replicas: 4
                  resources:
                    limits:
                      cpus: '0.25'
                      memory: 256M
                    reservations: {memory: 128M}
                ports:
                  - target: 9000
                    published: 9001
                    protocol: tcp
                    mode: host
            networks: {back: {}}
            """)
        let worker = try #require(topology.workers.first)
        #expect(worker.options == ["listen": "0.0.0.0:9000", "cache-dir": "/var/cache/a b"])
        #expect(worker.cpus == 0.25 && worker.memoryBytes == 256 << 20 && worker.replicas == 4)
        #expect(worker.publishedAddresses == [HostPort(host: "localhost", port: 9_001)])
    }

    @Test func aVersion2File() throws {
        let topology = try parse(
            """
            version: "2.4"
            services:
              edge:
                image: amp4ec
                command: amp4ec-worker
                cpus: 0.6
                mem_limit: 536870912
                scale: 2
            """)
        let worker = try #require(topology.workers.first)
        #expect(worker.cpus == 0.6 && worker.memoryBytes == 512 << 20 && worker.replicas == 2 && worker.port == 9_000)
    }

    struct CommandCase: Sendable, CustomTestStringConvertible {
        let lines: String
        /// `nil`: no worker.
        let options: [String: String]?
        var testDescription: String { lines }
    }

    @Test(
        "which services are workers",
        arguments: [
            CommandCase(lines: "command: amp4ec-worker", options: [:]),
            CommandCase(lines: "command: /opt/bin/amp4ec-worker --name 'my worker'", options: ["name": "my worker"]),
            CommandCase(
                lines: "command: [tini, --, amp4ec-worker, --insecure, --name, a]", options: ["insecure": "true", "name": "a"]),
            CommandCase(
                lines: "command: amp4ec-worker --no-confinement --name a", options: ["no-confinement": "true", "name": "a"]),
            CommandCase(lines: "command: amp4ec-worker --allow-model aa --allow-model bb", options: ["allow-model": "bb"]),
            CommandCase(lines: "entrypoint: [tini, --]\ncommand: [amp4ec-worker]", options: [:]),
            CommandCase(lines: "command: sh -c \"exec amp4ec-worker --name a && true --name b\"", options: ["name": "a"]),
            CommandCase(lines: "command: [/bin/sh, -c, 'amp4ec-worker --threads=2']", options: ["threads": "2"]),
            CommandCase(lines: "x-amp4ec: {role: worker}\ncommand: --name a", options: ["name": "a"]),
            CommandCase(lines: "x-amp4ec: {role: worker}", options: [:]),
            CommandCase(lines: "command: >-\n  amp4ec-worker\n  --name a", options: ["name": "a"]),
            CommandCase(lines: "command: amp4ec-worker --name ${NAME:-w}-1", options: ["name": "w-1"]),
            CommandCase(lines: "command: amp4ec-worker\nprofiles: []", options: [:]),
            CommandCase(lines: "command: amp4ec-worker\nprofiles: [gpu]", options: nil),
            CommandCase(lines: "command: amp4ec-worker\nx-amp4ec: {role: client}", options: nil),
            CommandCase(lines: "command: amp4ec-worker\nscale: 0", options: nil),
            CommandCase(lines: "command: amp4ec-workers", options: nil),
            CommandCase(lines: "command: amp4ec-coordinator --workers amp4ec:1", options: nil),
            CommandCase(lines: "command: echo 'it", options: nil),
            CommandCase(lines: "command: echo $", options: nil),
            CommandCase(lines: "image: amp4ec-worker", options: nil),
        ])
    func workerOrNot(_ row: CommandCase) throws {
        guard let options = row.options else {
            let error = #expect(throws: TopologyError.self) { try service(row.lines) }
            #expect(error?.problem.hasPrefix("none of them (w) is a worker") == true)
            return
        }
        #expect(try service(row.lines).options == options)
    }

    @Test func activeProfilesCount() throws {
        let lines = "command: amp4ec-worker\nprofiles: [gpu, big]"
        for active in ["gpu", "x,big", "*"] {
            #expect(try service(lines, environment: ["COMPOSE_PROFILES": active]).name == "w")
        }
        #expect(throws: TopologyError.self) { try service(lines, environment: ["COMPOSE_PROFILES": "gp"]) }
    }

    @Test func extendsTakesTheBaseAndOverridesIt() throws {
        let topology = try parse(
            """
            services:
              base:
                image: amp4ec
                command: amp4ec-worker --listen 9000
                ports: ["9001:9000"]
                deploy: {resources: {limits: {cpus: "1", memory: 1g}}}
                profiles: [never]
              w1:
                extends: {service: base}
                profiles: !reset []
                ports: ["9005:9000"]
                deploy: {resources: {limits: {memory: 2g}}}
            """)
        let worker = try #require(topology.workers.first)
        #expect(topology.workers.count == 1)
        #expect(worker.name == "w1" && worker.cpus == 1 && worker.memoryBytes == 2 << 30)
        #expect(worker.publishedAddresses.map(\.port) == [9_001, 9_005])
    }

    @Test(
        "ports",
        arguments: [
            ("[\"9001:9000\"]", ["localhost:9001"]), ("[9001:9000]", ["localhost:9001"]),
            ("[\"127.0.0.1:9001:9000\"]", ["localhost:9001"]),
            ("[\"192.168.7.2:9001:9000\"]", ["192.168.7.2:9001"]), ("[\"0.0.0.0:9001:9000/tcp\"]", ["localhost:9001"]),
            ("[\"9001-9003:8999-9001\"]", ["localhost:9002"]),
            ("[\"9001-9003:9000\"]", ["localhost:9001", "localhost:9002", "localhost:9003"]), ("[9000]", []), ("[\"9000\"]", []),
            ("[\"127.0.0.1::9000\"]", []), ("[\"9001:9000/udp\"]", []), ("[\"9001:9009\"]", []),
            ("[\"[::1]:9001:9000\"]", ["[::1]:9001"]), ("[\"127.0.0.2:9001:9000\"]", ["127.0.0.2:9001"]),
            ("[\"[2001:db8::1]:9001:9000\"]", ["[2001:db8::1]:9001"]),
            ("[{target: 9000, published: 9001}]", ["localhost:9001"]),
            ("[{target: 9000, published: \"9001-9002\", host_ip: 127.0.0.1}]", ["localhost:9001", "localhost:9002"]),
            ("[{target: 9000}]", []), ("[{target: 9000, published: \"0\"}]", []),
            ("[{target: 021450, published: 0x2329}]", ["localhost:9001"]),
            ("[{target: 9e3, published: 9_001}]", ["localhost:9001"]), ("[{target: 9000, published: 0o777}]", ["localhost:511"]),
            ("[{target: !!int \"021450\", published: +9001}]", ["localhost:9001"]),
            ("[{target: \"09000\", published: \"09001\"}]", ["localhost:9001"]), ("[{target: 9000, published: 0x0}]", []),
            ("[{target: 9000, published: 9001, protocol: udp}]", []), ("[\"80:80\", \"${P}:9000\"]", ["localhost:9010"]),
        ] as [(String, [String])])
    func ports(_ ports: String, _ expected: [String]) throws {
        let worker = try service("command: amp4ec-worker\nports: \(ports)", environment: ["P": "9010"])
        #expect(worker.publishedAddresses.map(\.description) == expected)
    }

    @Test func aWorkerOnTheHostsNetworkIsReachedThere() throws {
        let worker = try service("command: amp4ec-worker --listen 9123\nnetwork_mode: host")
        #expect(worker.publishedAddresses == [HostPort(host: "localhost", port: 9_123)])
    }

    @Test(
        "memory as compose reads it",
        arguments: [
            ("512M", 512 << 20), ("512m", 512 << 20), ("1g", 1 << 30), ("1gb", 1 << 30), ("512MiB", 512 << 20), ("1.5G", 3 << 29),
            ("64k", 64 << 10), ("100b", 100), ("100", 100), ("\"2 GB\"", 2 << 30), ("0", nil), ("1t", 1 << 40),
        ] as [(String, Int?)])
    func memory(_ text: String, _ bytes: Int?) throws {
        #expect(try service("command: amp4ec-worker\nmem_limit: \(text)").memoryBytes == bytes)
    }
}
