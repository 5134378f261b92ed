import Coordinator
import Foundation
import Shell
import Testing
import Transport
import Worker

/// The manifests: what the schema cannot know, that names, ports, probes, volumes and selectors mean each other and the programs.
@Suite("Kubernetes manifests")
struct KubernetesTests {
    private static let folder = "deploy/kubernetes"

    /// Every object of the folder but the kustomization, by kind and name.
    private func objects() throws -> [String: Document] {
        var objects: [String: Document] = [:]
        for file in try Document.files(in: Self.folder) where file != "kustomization.yaml" {
            for document in try Document.load("\(Self.folder)/\(file)") {
                let name = "\(document["kind"].string ?? "?")/\(document["metadata/name"].string ?? "?")"
                #expect(objects.updateValue(document, forKey: name) == nil, "\(name) stands there twice")
            }
        }
        return objects
    }

    private func object(_ name: String) throws -> Document { try #require(try objects()[name], "there is no \(name)") }

    private static let workloads = ["StatefulSet/amp4ec-worker", "Deployment/amp4ec-coordinator"]

    private func command(_ workload: String) throws -> (CommandLine, Document) {
        let pod = try object(workload)["spec/template/spec"]
        let container = try #require(pod["containers"].list.first)
        #expect(pod["containers"].list.count == 1)
        return (try CommandLine(container["args"].words), container)
    }

    @Test("the kustomization names every file, and the image by the product's version")
    func kustomization() throws {
        let file = try #require(try Document.load("\(Self.folder)/kustomization.yaml").first)
        #expect(file["resources"].strings.sorted() == (try Document.files(in: Self.folder)).filter { $0 != "kustomization.yaml" })
        let images = file["images"].list
        #expect(images.map { $0["name"].string } == ["amp4ec"])
        #expect(images.first?["newTag"].string == ProductVersion.current)
        #expect(try objects()["Namespace/\(file["namespace"].string ?? "")"] != nil)
    }

    @Test("the pod that takes a model in writes onto the claim that the coordinator reads, in the same image and as the same user")
    func fill() throws {
        let pod = try #require(try Document.load("\(Self.folder)/fill/pod.yaml").first)
        let coordinator = try object("Deployment/amp4ec-coordinator")["spec/template/spec"]
        let models = try #require(coordinator["volumes"].list.first { $0["name"].string == "models" })
        #expect(
            pod["spec/volumes"].list.map { $0["persistentVolumeClaim/claimName"].string }
                == [models["persistentVolumeClaim/claimName"].string])
        let container = try #require(pod["spec/containers"].list.first)
        #expect(container["image"].string == "amp4ec:\(ProductVersion.current)")
        #expect(container["volumeMounts"].list.compactMap { $0["mountPath"].string } == ["/models"])
        #expect(try object("Namespace/\(pod["metadata/namespace"].string ?? "")").isPresent)
        #expect(pod["spec/securityContext"].labels == coordinator["securityContext"].labels)
        try expectConfined(pod["spec"])
    }

    @Test("ports and probes are those of the process", arguments: workloads)
    func ports(workload: String) throws {
        let (command, container) = try command(workload)
        let ports = container["ports"].list
        #expect(Set(ports.compactMap { $0["containerPort"].string.flatMap { UInt16($0) } }) == command.ports, "\(workload)")
        let names = ports.compactMap { $0["name"].string }
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] where container[probe].isPresent {
            let what = "\(workload): \(probe)"
            if container["\(probe)/exec"].isPresent {
                try CommandLine(container["\(probe)/exec/command"].words).expectAsks(command, what)
                // A check that is not given its own deadline in time would count as a failure of the process.
                #expect((container["\(probe)/timeoutSeconds"].string.flatMap { Int($0) } ?? 1) > 2, "\(what)")
            } else {
                #expect(names.contains(container["\(probe)/httpGet/port"].string ?? ""), "\(what)")
                let path = container["\(probe)/httpGet/path"].string
                #expect(path == (probe == "readinessProbe" ? "/readyz" : "/healthz"), "\(what)")
            }
        }
        #expect(container["readinessProbe"].isPresent && container["livenessProbe"].isPresent, "\(workload)")
    }

    @Test("services select the pods and name their ports", arguments: ["worker", "coordinator"])
    func services(component: String) throws {
        let workload = try object(Self.workloads.first { $0.hasSuffix(component) } ?? "")
        let labels = workload["spec/template/metadata/labels"].labels
        let service = try object(component == "worker" ? "Service/amp4ec-worker" : "Service/amp4ec")
        #expect(!labels.isEmpty && service["spec/selector"].labels == labels)
        #expect(workload["spec/selector/matchLabels"].labels == labels)
        let ports = workload["spec/template/spec/containers"].list.flatMap { $0["ports"].list }
        for port in service["spec/ports"].list {
            let target = ports.first { $0["name"].string == port["targetPort"].string }
            #expect(target?["containerPort"].string == port["port"].string && target != nil, "\(port)")
        }
        #expect(service["spec/ports"].list.count == ports.count)
    }

    @Test("the coordinator's topology is the headless service")
    func topology() throws {
        guard case .coordinator(let options) = try command("Deployment/amp4ec-coordinator").0.program else {
            Issue.record("the coordinator's pod runs something else")
            return
        }
        let service = try object("Service/amp4ec-worker")
        let name = try #require(service["metadata/name"].string)
        let port = try #require(service["spec/ports"].list.first?["port"].string)
        #expect(options.topology == ["dns:\(name):\(port)"])
        #expect(service["spec/clusterIP"].string == "None" && service["spec/publishNotReadyAddresses"].string == "true")
        #expect(try object("StatefulSet/amp4ec-worker")["spec/serviceName"].string == name)
        let deployment = try object("Deployment/amp4ec-coordinator")
        #expect(deployment["spec/replicas"].string == "1" && deployment["spec/strategy/type"].string == "Recreate")
        #expect(
            Duration.seconds(deployment["spec/template/spec/terminationGracePeriodSeconds"].string.flatMap { Int($0) } ?? 0)
                > options.drainTimeout + .seconds(5))
    }

    @Test("a worker takes its pod's name, which stays over a restart")
    func name() throws {
        let (command, container) = try command("StatefulSet/amp4ec-worker")
        guard case .worker(let options) = command.program else {
            Issue.record("the worker's pod runs something else")
            return
        }
        let variable = try #require(container["env"].list.first { "$(\($0["name"].string ?? ""))" == options.name })
        #expect(variable["valueFrom/fieldRef/fieldPath"].string == "metadata.name")
    }

    @Test("what is read and written is mounted, and every mount has a volume", arguments: workloads)
    func volumes(workload: String) throws {
        let (command, container) = try command(workload)
        let all = container["volumeMounts"].list
        let mounts = all.filter { $0["subPath"].string == nil }
        let paths = { (readOnly: Bool) in
            Set(mounts.filter { ($0["readOnly"].string == "true") == readOnly }.compactMap { $0["mountPath"].string })
        }
        #expect(Set(command.writtenFolders) == paths(false), "\(workload)")
        #expect(Set(command.readFiles.map { ($0 as NSString).deletingLastPathComponent }) == paths(true), "\(workload)")
        let object = try object(workload)
        let templates = object["spec/volumeClaimTemplates"].list.compactMap { $0["metadata/name"].string }
        let volumes = object["spec/template/spec/volumes"].list
        #expect(Set(all.compactMap { $0["name"].string }) == Set(templates + volumes.compactMap { $0["name"].string }))
        for volume in volumes where !volume["secret"].isPresent {
            let claim = volume["persistentVolumeClaim/claimName"].string ?? "?"
            #expect(try objects()["PersistentVolumeClaim/\(claim)"] != nil, "\(claim)")
        }
    }

    @Test(
        "the coordinator has the root key, workers have the cluster key and no other, where both look for one", arguments: workloads
    )
    func keys(workload: String) throws {
        let pod = try object(workload)["spec/template/spec"]
        let isWorker = workload.hasPrefix("StatefulSet")
        let volumes = pod["volumes"].list.filter { $0["secret"].isPresent }
        let volume = try #require(volumes.first)
        #expect(volumes.count == 1, "\(workload)")
        let secret = volume["secret/secretName"].string ?? "?"
        #expect(secret == (isWorker ? "amp4ec-worker-keys" : "amp4ec-coordinator-keys"))
        // For the group that the pod's volumes get, and nobody else.
        #expect(volume["secret/defaultMode"].string == "\(0o440)" && pod["securityContext/fsGroup"].string == "65532")
        let mounts = pod["containers"].list.flatMap { $0["volumeMounts"].list }.filter {
            $0["name"].string == volume["name"].string
        }
        var expected = [KeyPlaces.mountedPath: isWorker ? "amp4ec_cluster" : "amp4ec_root"]
        if case .coordinator(let options) = try command(workload).0.program {
            let file = "/run/secrets/amp4ec_http_tokens"
            #expect(options.httpTokenFiles == [file] && !options.httpInsecure)
            expected[file] = "amp4ec_http_tokens"
        }
        #expect(Dictionary(uniqueKeysWithValues: mounts.map { ($0["mountPath"].string, $0["subPath"].string) }) == expected)
        #expect(mounts.allSatisfy { $0["readOnly"].string == "true" })
        // The commands that make the secret are in the documentation, from the files that `make secret` writes.
        let lines = try Document.text("docs/deploying.md").split(separator: "\n").filter {
            $0.contains("create secret generic \(secret) ")
        }
        #expect(lines.count == 1)
        for name in mounts.compactMap({ $0["subPath"].string }) {
            #expect(lines.allSatisfy { $0.contains("--from-file=compose/secrets/\(name)") }, "\(workload): \(name)")
        }
        #expect(lines.allSatisfy { !isWorker || !$0.contains("amp4ec_root") })
    }

    private func expectConfined(_ pod: Document) throws {
        #expect(pod["securityContext/runAsNonRoot"].string == "true" && pod["securityContext/runAsUser"].string == "65532")
        #expect(pod["securityContext/seccompProfile/type"].string == "RuntimeDefault")
        #expect(pod["automountServiceAccountToken"].string == "false")
        let container = try #require(pod["containers"].list.first)
        let security = container["securityContext"]
        #expect(security["readOnlyRootFilesystem"].string == "true" && security["allowPrivilegeEscalation"].string == "false")
        #expect(security["capabilities/drop"].strings == ["ALL"])
        for resource in ["cpu", "memory"] {
            #expect(container["resources/limits/\(resource)"].isPresent && container["resources/requests/\(resource)"].isPresent)
        }
    }

    @Test("nobody is root, nothing can be gained, and limits are there", arguments: workloads)
    func confined(workload: String) throws {
        try expectConfined(try object(workload)["spec/template/spec"])
        let container = try command(workload).1
        if workload.hasPrefix("StatefulSet") {
            #expect(container["resources/limits"].labels == container["resources/requests"].labels)
        }
    }

    @Test("a worker's port is open to the coordinator and the workers alone, and one worker at a time may be moved")
    func access() throws {
        let labels = try Self.workloads.map { try object($0)["spec/template/metadata/labels"].labels }
        let policy = try object("NetworkPolicy/amp4ec-worker")["spec"]
        #expect(policy["podSelector/matchLabels"].labels == labels[0])
        #expect(policy["policyTypes"].strings == ["Ingress", "Egress"])
        let rule = try #require(policy["ingress"].list.first)
        #expect(policy["ingress"].list.count == 1)
        #expect(Set(rule["from"].list.map { $0["podSelector/matchLabels"].labels }) == Set(labels))
        let port = try #require(try command("StatefulSet/amp4ec-worker").0.ports.first)
        for rule in policy["ingress"].list + policy["egress"].list {
            #expect(rule["ports"].list.map { $0["port"].string } == ["\(port)"])
        }
        let clients = try object("NetworkPolicy/amp4ec-coordinator")["spec"]
        #expect(clients["podSelector/matchLabels"].labels == labels[1])
        let open = clients["ingress"].list.flatMap { $0["ports"].list }.compactMap { $0["port"].string.flatMap { UInt16($0) } }
        #expect(Set(open) == (try command("Deployment/amp4ec-coordinator").0.ports))
        let budget = try object("PodDisruptionBudget/amp4ec-worker")["spec"]
        #expect(budget["selector/matchLabels"].labels == labels[0] && budget["maxUnavailable"].string == "1")
    }
}
