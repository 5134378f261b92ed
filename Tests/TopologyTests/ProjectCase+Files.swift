/// Several files: overrides, includes, documents, merge tags.
extension ProjectCase {
    static let w1 = "services:\n  w1: {image: amp4ec, command: amp4ec-worker --listen 9000, ports: [\"127.0.0.1:9001:9000\"]}\n"
    static let w2 = "services:\n  w2: {image: amp4ec, command: amp4ec-worker --listen 9000, ports: [\"127.0.0.1:9002:9000\"]}\n"
    static let one = "w1 w1:9000 localhost:9001 --listen=9000"
    static let two = "w2 w2:9000 localhost:9002 --listen=9000"

    static let files: [ProjectCase] = [
        ProjectCase(name: "one file", files: ["compose.yaml": w1], workers: [one]),
        ProjectCase(
            name: "the override file beside it", files: ["compose.yaml": w1, "compose.override.yaml": w2], workers: [one, two]),
        ProjectCase(
            name: "the older names", files: ["docker-compose.yml": w1, "docker-compose.override.yml": w2],
            paths: ["docker-compose.yml"], workers: [one, two]),
        ProjectCase(
            name: "a folder", files: ["compose.yml": w1, "compose.override.yml": w2, "docker-compose.yml": "services: {}"],
            paths: ["."], workers: [one, two]),
        ProjectCase(
            name: "a folder whose .env names the files",
            files: [".env": "COMPOSE_FILE=a.yaml:b.yaml\n", "a.yaml": w1, "b.yaml": w2, "compose.yaml": "services: {}"],
            paths: ["."], workers: [one, two]),
        ProjectCase(
            name: "a file of another name has no override",
            files: ["cluster.yaml": w1, "compose.override.yaml": w2], paths: ["cluster.yaml"], workers: [one]),
        ProjectCase(name: "two files", files: ["a.yaml": w1, "b.yaml": w2], paths: ["a.yaml", "b.yaml"], workers: [one, two]),
        ProjectCase(
            name: "the later file wins",
            files: [
                "a.yaml": w1,
                "b.yaml": "services: {w1: {command: amp4ec-worker --listen 9500, ports: [\"9005:9500\"], cpus: 0.5}}",
            ], paths: ["a.yaml", "b.yaml"], workers: ["w1 w1:9500 localhost:9005 --listen=9500 0.5cpus"]),
        ProjectCase(
            name: "ports add up",
            files: ["a.yaml": w1, "b.yaml": "services: {w1: {ports: [\"9003:9000\", \"127.0.0.1:9001:9000\"]}}"],
            paths: ["a.yaml", "b.yaml"], workers: ["w1 w1:9000 localhost:9001 localhost:9003 --listen=9000"]),
        ProjectCase(
            name: "a reset takes ports away", files: ["a.yaml": w1, "b.yaml": "services: {w1: {ports: !reset []}}"],
            paths: ["a.yaml", "b.yaml"], workers: ["w1 w1:9000 --listen=9000"]),
        ProjectCase(
            name: "an override replaces ports",
            files: ["a.yaml": w1, "b.yaml": "services:\n  w1:\n    ports: !override\n      - \"9008:9000\"\n"],
            paths: ["a.yaml", "b.yaml"], workers: ["w1 w1:9000 localhost:9008 --listen=9000"]),
        ProjectCase(
            name: "a reset takes a service away",
            files: ["a.yaml": w1, "b.yaml": w2, "c.yaml": "services: {w1: !reset null}"], paths: ["a.yaml", "b.yaml", "c.yaml"],
            workers: [two]),
        ProjectCase(
            name: "a reset in the only file is nothing",
            files: [
                "compose.yaml":
                    "services: {w1: {image: amp4ec, command: amp4ec-worker, cpus: !reset null, ports: !override [\"1:9000\"]}}"
            ],
            workers: ["w1 w1:9000 localhost:1"]),
        ProjectCase(
            name: "a limit is taken away",
            files: [
                "a.yaml":
                    "services: {w: {image: amp4ec, command: amp4ec-worker, deploy: {replicas: 2, resources: {limits: {cpus: \"0.5\", memory: 1g}}}}}",
                "b.yaml": "services: {w: {deploy: {resources: {limits: !override {memory: 512m}}}}}",
            ], paths: ["a.yaml", "b.yaml"], workers: ["w w:9000 536870912bytes x2"]),
        ProjectCase(
            name: "an include", files: ["compose.yaml": "include: [more.yaml]\n" + w1, "more.yaml": w2], workers: [one, two]),
        ProjectCase(
            name: "nothing but includes",
            files: ["compose.yaml": "include:\n  - a.yaml\n  - path: b.yaml\n", "a.yaml": w1, "b.yaml": w2],
            workers: [one, two]),
        ProjectCase(
            name: "an include of an include, each from its own folder",
            files: [
                "compose.yaml": "include: [teams/edge/compose.yaml]\n" + w1,
                "teams/edge/compose.yaml": "include: [../shared/workers.yaml]\nservices: {}\n",
                "teams/shared/workers.yaml": w2,
            ], workers: [one, two]),
        ProjectCase(
            name: "an included project has its own variables",
            files: [
                "compose.yaml":
                    "include: [sub/compose.yaml]\nservices:\n  w1: {image: amp4ec, command: \"amp4ec-worker --listen ${PORT}\"}",
                ".env": "PORT=9100\n",
                "sub/compose.yaml": "services:\n  w2: {image: amp4ec, command: \"amp4ec-worker --listen ${PORT2}\"}",
                "sub/.env": "PORT=1\nPORT2=9200\n",
            ], workers: ["w1 w1:9100 --listen=9100", "w2 w2:9200 --listen=9200"]),
        ProjectCase(
            name: "an include with its folder and file of variables",
            files: [
                "compose.yaml":
                    "include:\n  - path: [parts/w.yaml, parts/w.fast.yaml]\n    project_directory: .\n    env_file: [fast.env]\n",
                "fast.env": "PORT=9300\nNAME='quick one'\n",
                "parts/w.yaml": "services: {w: {image: amp4ec, command: \"amp4ec-worker --listen $PORT\"}}",
                "parts/w.fast.yaml":
                    "services: {w: {cpus: 2, command: [amp4ec-worker, --listen, \"${PORT}\", --name, \"${NAME}\"]}}",
            ], workers: ["w w:9300 --listen=9300 --name=quick one 2.0cpus"]),
        ProjectCase(
            name: "several documents in a file",
            files: ["compose.yaml": w1 + "---\n" + w2 + "  w1: {cpus: 0.5}\n"],
            workers: ["w1 w1:9000 localhost:9001 --listen=9000 0.5cpus", two]),
        ProjectCase(
            name: "the form of docker compose config",
            files: [
                "compose.yaml": """
                name: p
                services:
                  w1:
                    command:
                      - amp4ec-worker
                      - --listen
                      - "9000"
                    deploy:
                      replicas: 2
                      resources:
                        limits:
                          cpus: 0.5
                          memory: "536870912"
                      placement: {}
                    image: amp4ec
                    networks:
                      default: null
                    ports:
                      - mode: ingress
                        host_ip: 127.0.0.1
                        target: 9000
                        published: "9001"
                        protocol: tcp
                networks:
                  default:
                    name: p_default
                """
            ], workers: ["w1 w1:9000 localhost:9001 --listen=9000 0.5cpus 536870912bytes x2"]),
        ProjectCase(
            name: "JSON",
            files: [
                "compose.yaml":
                    #"{"services": {"w": {"image": "amp4ec", "command": ["amp4ec-worker", "--listen", "9000"], "scale": 3}}}"#
            ], workers: ["w w:9000 --listen=9000 x3"]),
    ]

    static let extending: [ProjectCase] = [
        ProjectCase(
            name: "extends in the file",
            files: [
                "compose.yaml": """
                services:
                  base: {image: amp4ec, command: amp4ec-worker --listen 9000, cpus: 1, profiles: [never]}
                  w1: {extends: {service: base}, profiles: !reset null, mem_limit: 1g}
                """
            ], workers: ["w1 w1:9000 --listen=9000 1.0cpus 1073741824bytes"]),
        ProjectCase(
            name: "extends from a file",
            files: [
                "compose.yaml": "services:\n  w1: {extends: {file: common.yaml, service: worker}, ports: [\"9001:9000\"]}\n",
                "common.yaml": "services:\n  worker: {image: amp4ec, command: amp4ec-worker --listen 9000}\n  other: {image: x}\n",
            ], workers: ["w1 w1:9000 localhost:9001 --listen=9000"]),
        ProjectCase(
            name: "extends from a file that extends from a file beside it",
            files: [
                "compose.yaml": "services: {w1: {extends: {file: base/worker.yaml, service: worker}}}",
                "base/worker.yaml": "services: {worker: {extends: {file: image.yaml, service: image}, command: amp4ec-worker}}",
                "base/image.yaml": "services: {image: {image: amp4ec, cpus: 0.25, ports: [\"7:9000\"]}}",
            ], workers: ["w1 w1:9000 localhost:7 0.25cpus"]),
        ProjectCase(
            name: "extends a service of the same file, written short",
            files: [
                "compose.yaml":
                    "services:\n  a: {image: amp4ec, command: amp4ec-worker --name a}\n  b: {extends: a, command: amp4ec-worker}\n"
            ],
            workers: ["a a:9000 --name=a", "b b:9000"]),
        ProjectCase(
            name: "ports of the base are added to, its command is replaced",
            files: [
                "compose.yaml": """
                services:
                  a: {image: amp4ec, command: amp4ec-worker --listen 9000, ports: ["9001:9000"]}
                  b: {extends: a, ports: ["9002:9000"]}
                  c: {extends: b, ports: !override ["9003:9000"], command: [amp4ec-worker, --listen, "9000", --threads, "2"]}
                """
            ],
            workers: [
                "a a:9000 localhost:9001 --listen=9000", "b b:9000 localhost:9001 localhost:9002 --listen=9000",
                "c c:9000 localhost:9003 --listen=9000 --threads=2",
            ]),
        ProjectCase(
            name: "extends a service that is included",
            files: [
                "compose.yaml": "include: [base.yaml]\nservices: {w: {extends: base, scale: 2}}",
                "base.yaml": "services: {base: {image: amp4ec, command: amp4ec-worker}}",
            ],
            isOfNewerEngines: true, workers: ["w w:9000 x2", "base base:9000"]),
        ProjectCase(
            name: "an override of what extends",
            files: [
                "a.yaml":
                    "services: {base: {image: amp4ec, command: amp4ec-worker --listen 9000, ports: [\"1:9000\"]}, w: {extends: base}}",
                "b.yaml": "services: {w: {ports: !reset null}}",
            ], paths: ["a.yaml", "b.yaml"], workers: ["base base:9000 localhost:1 --listen=9000", "w w:9000 --listen=9000"]),
        ProjectCase(
            name: "anchors, merge keys and fields of one's own",
            files: [
                "compose.yaml": """
                x-limits: &limits {cpus: 0.5, mem_limit: 512m}
                x-run: &run {image: amp4ec, command: amp4ec-worker --listen 9000}
                x-both: &both [*run, *limits]
                services:
                  a: {<<: *run, ports: ["9001:9000"]}
                  b: {<<: [*run, *limits], cpus: 2}
                  c: {<<: *both}
                  d: {image: x, labels: {a: "<<"}}
                """
            ],
            workers: [
                "a a:9000 localhost:9001 --listen=9000", "b b:9000 --listen=9000 2.0cpus 536870912bytes",
                "c c:9000 --listen=9000 0.5cpus 536870912bytes",
            ]),
    ]
}
