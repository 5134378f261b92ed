"""Compose files, --config files and .env files with one mistake each; `name: text`, and the line of the mistake matters."""

WORKER = "services:\n  w1:\n    image: amp4ec\n    command: amp4ec-worker --listen 9000\n"

#: Written as topology/NAME.yaml.
COMPOSE = {
    "right": WORKER,
    "empty": "",
    "comment": "# nothing\n",
    "list": "- a\n- b\n",
    "text": "hello\n",
    "tab": "services:\n\tw1:\n",
    "open-quote": "services:\n  w1:\n    command: \"amp4ec-worker\n",
    "open-bracket": "services: {w1: {command: amp4ec-worker\n",
    "alias": "services:\n  w1: *other\n",
    "twice": WORKER + "  w1:\n    command: amp4ec-worker\n",
    "no-services": "version: '3'\nvolumes: {}\n",
    "services-list": "services:\n  - w1\n",
    "null-services": "services:\n",
    "service-text": "services:\n  w1: amp4ec-worker\n",
    "no-workers": "services:\n  db:\n    image: postgres\n  web:\n    image: nginx\n",
    "profile": "services:\n  w1:\n    profiles: [gpu]\n    command: amp4ec-worker\n",
    "no-replicas": WORKER + "    deploy: {replicas: 0}\n",
    "cpus": WORKER + "    cpus: many\n",
    "cpus-negative": WORKER + "    cpus: -1\n",
    "memory": WORKER + "    mem_limit: 512 mega\n",
    "deploy-memory": WORKER + "    deploy:\n      resources:\n        limits:\n          memory: lots\n",
    "deploy-list": WORKER + "    deploy: [1]\n",
    "replicas": WORKER + "    deploy: {replicas: two}\n",
    "replicas-many": WORKER + "    deploy: {replicas: 1000000000}\n",
    "scale-and-replicas": WORKER + "    scale: 2\n    deploy: {replicas: 3}\n",
    "container-name": WORKER + "    container_name: a\n    scale: 2\n",
    "port": WORKER + "    ports: ['90000:9000']\n",
    "port-text": WORKER + "    ports: [web]\n",
    "ports-mapping": WORKER + "    ports: {a: 1}\n",
    "port-ranges": WORKER + "    ports: ['9001-9002:9000-9003']\n",
    "listen": "services:\n  w1:\n    command: amp4ec-worker --listen ninety\n",
    "listen-zero": "services:\n  w1:\n    command: amp4ec-worker --listen 0\n",
    "listen-variable": "services:\n  w1:\n    command: sh -c 'amp4ec-worker --listen $$PORT'\n",
    "listen-twice": "services:\n  w1:\n    command: amp4ec-worker --listen 9000 --listen 9001\n",
    "command-quote": "services:\n  w1:\n    command: amp4ec-worker --name 'w1\n",
    "name-coordinator": "services:\n  w1:\n    command: amp4ec-worker --name coordinator\n",
    "names-twice": "services:\n  w1:\n    command: amp4ec-worker --name a\n  w2:\n    command: amp4ec-worker --name a\n",
    "name-replicas": "services:\n  w1:\n    scale: 2\n    command: amp4ec-worker --name a\n",
    "variable": "services:\n  w1:\n    command: amp4ec-worker --listen ${PORT:?give the port}\n",
    "variable-form": "services:\n  w1:\n    command: amp4ec-worker --listen ${PORT!x}\n",
    "variable-open": "services:\n  w1:\n    command: amp4ec-worker --listen ${PORT\n",
    "include-missing": "include: [other.yaml]\n" + WORKER,
    "include-circle": "include: [include-circle.yaml]\n" + WORKER,
    "include-remote": "include: ['https://example.com/compose.yaml']\n" + WORKER,
    "include-key": "include:\n  - paths: a.yaml\n" + WORKER,
    "extends-missing": "services:\n  w1:\n    extends: {service: base}\n",
    "extends-circle": "services:\n  w1:\n    extends: w2\n  w2:\n    extends: w1\n",
    "extends-file": "services:\n  w1:\n    extends: {file: nosuch.yaml, service: base}\n",
    "network-none": WORKER + "    network_mode: none\n",
    "network-service": WORKER + "    network_mode: service:db\n",
    "network-address": WORKER + "    networks:\n      net:\n        ipv4_address: here\nnetworks: {net: {}}\n",
    "role": WORKER + "    x-amp4ec: {role: wroker}\n",
    "annotation": WORKER + "    x-amp4ec: {pinn: 1}\n",
    "annotation-text": WORKER + "    x-amp4ec: worker\n",
    "annotation-address": WORKER + "    x-amp4ec: {address: box}\n",
    "pin": WORKER + "    x-amp4ec: {pin: first}\n",
    "exclude": WORKER + "    x-amp4ec: {exclude: maybe}\n",
    "option": "x-amp4ec:\n  deadlin: 5s\n" + WORKER,
    "option-value": "x-amp4ec:\n  deadline: 5\n" + WORKER,
    "option-zero": "x-amp4ec:\n  deadline: 0s\n" + WORKER,
    "option-choice": "x-amp4ec:\n  strategy: best\n" + WORKER,
    "option-level": "x-amp4ec:\n  optimize: O3\n" + WORKER,
    "option-share": "x-amp4ec:\n  maximum-load: 1.5\n" + WORKER,
    "option-heartbeat": "x-amp4ec:\n  heartbeat-timeout: 10ms\n" + WORKER,
    "option-flag": "x-amp4ec:\n  insecure: perhaps\n" + WORKER,
    "option-list": "x-amp4ec:\n  model: [a, b]\n" + WORKER,
    "option-spec": "x-amp4ec:\n  spec: [x:float64[N]]\n".replace("[x:float64[N]]", "['x:float64[N]']") + WORKER,
    "option-null": "x-amp4ec:\n  model:\n" + WORKER,
    "option-text": "x-amp4ec: fast\n" + WORKER,
    "option-memory": "x-amp4ec:\n  result-cache: 5M\n" + WORKER,
    "option-listen": "x-amp4ec:\n  listen: http://here\n" + WORKER,
}

#: Written as config/NAME.yaml.
CONFIG = {
    "empty": "",
    "list": "- model: a.pt\n",
    "unknown": "model: two.pt\ndeadlines: 5s\n",
    "value": "model: ../two.pt\nmicro-batch: none\n",
    "zero": "model: ../two.pt\ndeadline: 0s\n",
    "level": "model: ../two.pt\noptimize: O3\n",
    "share": "model: ../two.pt\nmaximum-load: 0\n",
    "spec": "model: ../two.pt\nspec: x:float64[N]\n",
    "workers": "model: ../two.pt\nworkers: w1\n",
    "both": "model: ../two.pt\nworkers: w1:9000\ntopology: ../topology/right.yaml\n",
    "dashes": "--model: two.pt\n",
    "tab": "model: two.pt\n\tdeadline: 5s\n",
}


def make(folder):
    for kind, texts in (("topology", COMPOSE), ("config", CONFIG)):
        (folder / kind).mkdir()
        for name, text in texts.items():
            (folder / kind / f"{name}.yaml").write_text(text)
    (folder / "topology" / "latin.yaml").write_bytes(b"# caf\xe9\n" + WORKER.encode())
    (folder / "open.env").write_text("PORT='9000\n")
