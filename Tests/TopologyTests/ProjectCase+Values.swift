/// Variables, networks, and the commands of containers.
extension ProjectCase {
    private static func worker(_ fields: String) -> [String: String] {
        ["compose.yaml": "services:\n  w:\n    image: amp4ec\n" + fields.split(separator: "\n").map { "    \($0)\n" }.joined()]
    }

    private static func named(_ name: String) -> [String] { ["w w:9000 --name=\(name)"] }

    static let variables: [ProjectCase] = [
        ProjectCase(
            name: ".env", files: ["compose.yaml": w1.replacing("9001", with: "${P}"), ".env": "P=9001\n"], workers: [one]),
        ProjectCase(
            name: "the environment over .env",
            files: ["compose.yaml": w1.replacing("9001", with: "${P}"), ".env": "P=7\n"], environment: ["P": "9001"], workers: [one]
        ),
        ProjectCase(
            name: "--env-file in place of .env",
            files: ["compose.yaml": w1.replacing("9001", with: "$P"), ".env": "P=7\n", "x.env": "P=8", "y.env": "P=9001"],
            envFiles: ["x.env", "y.env"], workers: [one]),
        ProjectCase(
            name: "the forms of .env",
            files: worker("command: [amp4ec-worker, --cache-dir, \"$A|$B|$C|$D|$E|$F|$G|$H\"]").merging([
                ".env": """
                # a comment
                A=plain # behind it
                export B='single $A #1'
                C="double $A\\n"
                D: yaml
                E=
                F = spaced
                G=${A}-$B
                H="two
                lines"

                """
            ]) { $1 },
            workers: ["w w:9000 --cache-dir=plain|single $A #1|double plain\n|yaml||spaced|plain-single $A #1|two\nlines"]),
        ProjectCase(
            name: "numbers without quotes",
            files: worker(
                "command: amp4ec-worker\nports: [{target: 021450, published: 0x2329}]\nscale: 010\ncpus: 5e-1\nmem_limit: 0x40_00_00_00"
            ),
            workers: ["w w:9000 localhost:9001 0.5cpus 1073741824bytes x8"]),
        ProjectCase(
            name: "numbers in quotes",
            files: worker(
                "command: amp4ec-worker\nports: [{target: \"09000\", published: \"09001\"}]\ndeploy: {replicas: \"08\"}\ncpus: \"1e0\""
            ),
            workers: ["w w:9000 localhost:9001 1.0cpus x8"]),
        ProjectCase(
            name: "defaults and alternatives",
            files: worker(
                "command: [amp4ec-worker, --name, \"${A}${U:-d}${U-e}${E:-f}${E-g}${A:+h}${U:+i}${A:?j}${U:-${A}${V:-k}}$$A\"]"),
            environment: ["A": "1", "E": ""], workers: named("1defh11k$A")),
        ProjectCase(
            name: "dollars that are none",
            files: worker("command: [amp4ec-worker, --name, \"a$ $1 $$$A ${U:-{x}}\"]"), environment: ["A": "1"],
            workers: named("a$ $1 $1 {x}")),
        ProjectCase(
            name: "the project's name",
            files: worker("command: amp4ec-worker --name ${COMPOSE_PROJECT_NAME}").mapValues { "name: Edge-1\n" + $0 },
            workers: named("edge-1")),
        ProjectCase(
            name: "active profiles",
            files: [
                "compose.yaml":
                    "services:\n  a: {image: x, command: amp4ec-worker, profiles: [gpu]}\n  b: {image: x, command: amp4ec-worker, profiles: [big, small]}\n  c: {image: x, command: amp4ec-worker, profiles: [never]}"
            ],
            environment: ["COMPOSE_PROFILES": "gpu, small"], workers: ["a a:9000", "b b:9000"]),
        ProjectCase(
            name: "profiles in .env",
            files: [
                "compose.yaml": "services: {a: {image: x, command: amp4ec-worker, profiles: [gpu]}}",
                ".env": "COMPOSE_PROFILES=gpu",
            ],
            workers: ["a a:9000"]),
        ProjectCase(
            name: "amounts and counts from variables",
            files: worker(
                "command: amp4ec-worker\ncpus: ${C:-0.5}\nmem_limit: \"${M:-256}m\"\nscale: ${N:-3}\nports: [\"${P:-9001-9003}:9000\"]"
            ),
            workers: ["w w:9000 localhost:9001 localhost:9002 localhost:9003 0.5cpus 268435456bytes x3"]),
        ProjectCase(
            name: "a quota of the CPU", files: worker("command: amp4ec-worker\ncpu_quota: 50000\ncpu_period: 200000"),
            workers: ["w w:9000 0.25cpus"]),
    ]

    static let networks: [ProjectCase] = [
        ProjectCase(
            name: "another service's network",
            files: [
                "compose.yaml": """
                services:
                  vpn: {image: wireguard, ports: ["127.0.0.1:7001:9001", "127.0.0.1:7002:9002"]}
                  w1: {image: amp4ec, network_mode: "service:vpn", command: amp4ec-worker --listen 9001}
                  w2: {image: amp4ec, network_mode: "service:vpn", command: amp4ec-worker --listen 9002}
                """
            ], workers: ["w1 vpn:9001 localhost:7001 --listen=9001", "w2 vpn:9002 localhost:7002 --listen=9002"]),
        ProjectCase(
            name: "the network of a service that has another's",
            files: [
                "compose.yaml": """
                services:
                  a: {image: x, ports: ["7:9000"], networks: {n: {ipv4_address: 10.5.0.7}}}
                  b: {image: x, network_mode: "service:a"}
                  w: {image: amp4ec, network_mode: "service:b", command: amp4ec-worker}
                networks: {n: {ipam: {config: [{subnet: 10.5.0.0/24}]}}}
                """
            ], workers: ["w a:9000 localhost:7 @10.5.0.7:9000"]),
        ProjectCase(
            name: "the network of a worker",
            files: [
                "compose.yaml": """
                services:
                  w1: {image: amp4ec, command: amp4ec-worker --listen 9001}
                  w2: {image: amp4ec, command: amp4ec-worker --listen 9002, network_mode: "service:w1"}
                """
            ], workers: ["w1 w1:9001 --listen=9001", "w2 w1:9002 --listen=9002"]),
        ProjectCase(
            name: "the network of a container of the project",
            files: [
                "compose.yaml":
                    "services:\n  vpn: {image: x, container_name: tunnel}\n  w: {image: amp4ec, command: amp4ec-worker, network_mode: \"container:tunnel\"}"
            ], workers: ["w vpn:9000"]),
        ProjectCase(
            name: "the host's network", files: worker("command: amp4ec-worker --listen 9123\nnetwork_mode: host"),
            workers: ["w w:9123 localhost:9123 --listen=9123"]),
        ProjectCase(
            name: "networks with aliases, addresses and names",
            files: worker(
                "command: amp4ec-worker\nhostname: box\ncontainer_name: edge\nexpose: [9000]\nnetworks: {n: {aliases: [x, y], ipv4_address: 10.5.0.9}, m: null}"
            ).mapValues { $0 + "networks: {n: {ipam: {config: [{subnet: 10.5.0.0/24}]}}, m: {}}\n" },
            workers: ["w w:9000 @10.5.0.9:9000"]),
        ProjectCase(
            name: "networks as a list",
            files: worker("command: amp4ec-worker\nnetworks: [n, default]").mapValues { $0 + "networks: {n: {}}\n" },
            workers: ["w w:9000"]),
        ProjectCase(
            name: "every form of ports",
            files: worker(
                "command: amp4ec-worker\nports: [\"9000\", \"9001:9000\", \"127.0.0.1::9000\", \"192.168.7.2:9003:9000/tcp\", \"9004:9000/udp\", \"9010-9012:8999-9001\", {target: 9000, published: \"9020\", host_ip: 0.0.0.0}]"
            ),
            workers: ["w w:9000 192.168.7.2:9003 localhost:9001 localhost:9011 localhost:9020"]),
        ProjectCase(
            name: "an address of one's own",
            files: worker("command: amp4ec-worker\nnetwork_mode: none\nx-amp4ec: {address: \"box.lan:9500\"}"),
            workers: ["w box.lan:9500"]),
        ProjectCase(
            name: "replicas, and a range of ports for them",
            files: worker("command: amp4ec-worker --listen 9000\ndeploy: {replicas: 2}\nports: [\"9001-9002:9000\"]"),
            workers: ["w w:9000 localhost:9001 localhost:9002 --listen=9000 x2"]),
        ProjectCase(
            name: "one on every node", files: worker("command: amp4ec-worker\ndeploy: {mode: global, endpoint_mode: dnsrr}"),
            workers: ["w w:9000"]),
    ]

    private static let shells: [(name: String, fields: String, listen: String)] = [
        ("a shell with exec", "command: sh -c \"exec amp4ec-worker --listen 9001\"", "9001"),
        ("a shell as a list", "command: [/bin/sh, -c, 'exec amp4ec-worker --listen 9001 >/log 2>&1']", "9001"),
        ("a shell as the entrypoint", "entrypoint: [sh, -c]\ncommand: [\"amp4ec-worker --listen=9001 | tee log\"]", "9001"),
        ("a shell with options", "command: [bash, -o, pipefail, -ec, \"set -e; amp4ec-worker --listen '9001' & wait\"]", "9001"),
        ("an init before the shell", "entrypoint: tini -- sh -c\ncommand: ['cd /srv && exec amp4ec-worker --listen 9001']", "9001"),
        ("a shell in a shell", "command: sh -c \"su app -c 'x'; bash -c 'amp4ec-worker --listen 9001'\"", "9001"),
        (
            "a script of several lines",
            "command:\n  - sh\n  - -c\n  - |\n    # starts *it* & <<waits>>\n    mkdir -p /x || true\n    FLAG=1 exec amp4ec-worker \\\n      --listen 9001\n",
            "9001"
        ),
        (
            "words about the worker before it",
            "entrypoint: [sh, -c]\ncommand: ['command -v amp4ec-worker || exit 1; echo starting amp4ec-worker; exec amp4ec-worker --listen 9001']",
            "9001"
        ),
        (
            "a look for the worker before it",
            "entrypoint: [sh, -c]\ncommand: ['[ -x /bin/amp4ec-worker ] && pkill amp4ec-worker; amp4ec-worker --listen 9001']",
            "9001"
        ),
        (
            "a look for the worker in a test before it",
            "entrypoint: [sh, -c]\ncommand: ['if [ -x /bin/amp4ec-worker ]; then exec amp4ec-worker --listen 9001; fi']", "9001"
        ),
        ("the shell's own command", "command: sh -c 'command amp4ec-worker --listen 9001'", "9001"),
        ("arguments of the script", "entrypoint: [sh, -c, 'exec \"$$@\"', --]\ncommand: amp4ec-worker --listen 9001", "9001"),
        ("a number without quotes", "environment: {PORT: 021451}\ncommand: sh -c 'exec amp4ec-worker --listen $$PORT'", "9001"),
        ("a whole fraction", "environment: {PORT: 9_001.0}\ncommand: sh -c 'exec amp4ec-worker --listen $$PORT'", "9001"),
        ("a number in quotes", "environment: {PORT: '9001'}\ncommand: sh -c 'exec amp4ec-worker --listen $$PORT'", "9001"),
        ("a variable of the container", "environment: {PORT: 9001}\ncommand: sh -c 'exec amp4ec-worker --listen $$PORT'", "9001"),
        (
            "a variable of the list form",
            "environment: [\"PORT=9001\", X]\ncommand: [sh, -c, 'amp4ec-worker --listen \"$${PORT}\"']", "9001"
        ),
        ("a default of the shell's", "command: sh -c 'exec amp4ec-worker --listen $${PORT:-9001}'", "9001"),
        ("options in a variable", "environment: {OPTS: \"--listen 9001\"}\ncommand: sh -c 'exec amp4ec-worker $$OPTS'", "9001"),
        ("a variable of the script", "command: sh -c 'export PORT=9001; amp4ec-worker --listen :$$PORT'", ":9001"),
        ("a condition", "command: sh -c 'if true; then exec amp4ec-worker --listen 9001; fi'", "9001"),
        ("env before it", "command: env A=1 amp4ec-worker --listen 9001", "9001"),
        ("an operator without a shell", "command: amp4ec-worker --listen 9001 && echo done", "9001"),
    ]

    static let commands: [ProjectCase] =
        shells.map { ProjectCase(name: $0.name, files: worker($0.fields), workers: ["w w:9001 --listen=\($0.listen)"]) } + others

    private static let others: [ProjectCase] = [
        ProjectCase(
            name: "a file of variables for the container",
            files: worker("env_file: [{path: none.env, required: false}, w.env]\ncommand: sh -c 'amp4ec-worker --listen $$PORT'")
                .merging(
                    ["w.env": "PORT=9001\n"]) { $1 }, workers: ["w w:9001 --listen=9001"]),
        ProjectCase(
            name: "a name that only the container knows",
            files: worker("command: sh -c 'exec amp4ec-worker --listen 9001 --name $$(hostname)'"),
            workers: ["w w:9001 --listen=9001"]),
        ProjectCase(
            name: "no shell, no variables", files: worker("command: [amp4ec-worker, --name, $$HOME]"), workers: named("$HOME")),
        ProjectCase(
            name: "an option that may stand twice",
            files: worker("command: amp4ec-worker --coordinator c:9100 --advertise a:1 --advertise b:2"),
            workers: ["w w:9000 --advertise=b:2 --coordinator=c:9100"]),
    ]
}
