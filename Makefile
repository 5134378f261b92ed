# The verbs of this repository; `make` alone lists them. Each brings what it needs first, so on a fresh machine
# `make demo` or `make test` is all there is to type. Everything is built once, in the release configuration.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build test test-cluster test-serving messages chaos-short chaos-ci soak ledger quota-test fuzz simulate demo secret dist image dashboard demo-files test-containers containers-ci validate-manifests bench bench-planning measure-plans evaluation-image evaluate evaluate-short docs lint format mutants fuzz-inputs sanitize clean models zoo
# Two verbs at once (make -j) would wait for the same build folder in each other's way.
.NOTPARALLEL:

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: ## install what is missing: packages, libtorch (.libtorch/); quick when all is there
	@scripts/setup

build: setup ## build the four programs into .build/release/: amp4ec, amp4ec-worker, amp4ec-coordinator, amp4ec-check
	@swift build -c release

models: setup
	@scripts/test-models

test: build models ## the unit tests and the simulations
	@scripts/run-tests --skip '^ClusterTests\.'

test-cluster: build models ## the tests that start real processes
	@scripts/run-tests --filter '^ClusterTests\.'
	@scripts/test-exports
	@scripts/test-shaped-link
	@scripts/test-readings --skip-if-impossible

dashboard: build models ## the dashboard in a browser without a window: the page alone, and with three workers under load (chromium)
	@scripts/test-dashboard

test-serving: build models demo-files ## inference over HTTP: tritonclient, perf_analyzer, wrong requests, schemathesis; examples/python (PyPI)
	@[ -f .models/mobilenet-v2-pixels.pt ] || scripts/export-model mobilenet-v2-pixels .models/mobilenet-v2-pixels.pt
	@scripts/test-serving
	@scripts/test-overload --seconds 5

messages: build models ## some 450 wrong commands say what Tests/Messages/messages.txt has, and end as documented
	@scripts/test-messages

chaos-short: build models ## five minutes of faults on real processes under load; fills in docs/recovery.md (root, iptables)
	@scripts/chaos --duration 5m --faults 25 --markdown docs/recovery.md

chaos-ci: build models ## the same for a minute, without limits of time; skipped where network namespaces cannot be made
	@scripts/chaos --duration 45s --faults 6 --no-limits --skip-if-impossible

# Time at each of its doors.
FUZZ ?= --duration 5m

fuzz: build models ## the stateful fuzzer of the protocol, five minutes at each door; a failure names its seed
	@scripts/fuzz $(FUZZ)

soak: build models ## 10,000 names, registrations and connections come and go under load: nothing is kept of them; writes docs/ledger.md
	@scripts/soak --markdown docs/ledger.md

ledger: build models ## memory, descriptors and waits in 512 MiB under abuse, and huge and odd files; writes docs/ledger.md (root, cgroups)
	@scripts/ledger --markdown docs/ledger.md

quota-test: build models ## ten minutes of full load on workers with 0.4 and 0.6 CPU: nobody is taken for lost (root, cgroups)
	@scripts/quota-test --duration 10m

# Two minutes of seeds that nobody has run before; a failing one prints itself.
SIMULATE ?= --duration 2m

simulate: build ## run the cluster's decisions over simulated faults from fresh seeds, for two minutes
	@.build/release/amp4ec simulate $(SIMULATE)

demo: build ## photos in, labels out, over three worker processes on this machine
	@scripts/demo

secret: build ## the keys that connections are encrypted with: ~/.config/amp4ec/secret and compose/secrets/, where they are missing
	@scripts/secret

dist: setup ## a tarball in dist/ that runs wherever it is unpacked: the programs, and every library beside them
	@scripts/dist

image: setup ## the container image amp4ec:VERSION (and amp4ec:latest), from dist's tarball (a Docker engine), and keys where none are
	@scripts/image
	@scripts/secret

demo-files: setup ## the demo's model and photos into .models/, where they are missing
	@[ -f .models/efficientnet-lite0.pt ] || scripts/export-model efficientnet-lite0 .models/efficientnet-lite0.pt
	@scripts/fetch-photos .models/photos

test-containers: build demo-files ## compose/demo.yaml in containers of that image, workers lost and added under load (a Docker engine)
	@scripts/test-containers

containers-ci: build demo-files ## image and test-containers in one, with an engine of their own where none runs (root); else skipped
	@scripts/test-containers --install --build --skip-if-impossible

validate-manifests: ## check deploy/kubernetes/ against the schemas of two versions of Kubernetes
	@scripts/validate-manifests

bench: build ## measure this machine; prints a table
	@scripts/bench
	@scripts/bench-encryption
	@scripts/bench-serving

measure-plans: build models ## predicted and measured throughput on three workers with quotas; writes docs/planning-measured.md (root, cgroups)
	@[ -f .models/resnet-18.pt ] || scripts/export-model resnet-18 .models/resnet-18.pt
	@[ -f .models/transformer.pt ] || PYTHONPATH=examples/transformer scripts/export-model --function encoder:model .models/transformer.pt
	@scripts/measure-plans --markdown docs/planning-measured.md

bench-planning: setup ## how plans and node selection grow; writes docs/planning-growth.md
	@scripts/bench-planning

evaluation-image:
	@docker image inspect amp4ec:latest >/dev/null 2>&1 || scripts/image

# As for bench: nothing else may run meanwhile. The image is made only where it is missing; `make image` brings it up to date.
evaluate: build models evaluation-image ## the paper's evaluation in containers (root or docker group); takes about two hours and goes on where it stopped
	@scripts/evaluate $(EVALUATE)

evaluate-short: build models evaluation-image ## the same with short windows, about seven minutes; its ratios beside those of docs/evaluation
	@scripts/evaluate --short --against docs/evaluation/ratios.json $(EVALUATE)

docs: setup ## the Swift library's documentation as web pages in .build-docs/html; fails on a link or parameter that is wrong
	@scripts/docs

lint: setup ## check formats, generated code, Python (ruff, mypy), bash and YAML; changes nothing
	@scripts/lint

format: setup ## put every Swift, C and C++ file into the repository's format, and mend of Python what ruff can
	@scripts/lint --fix

mutants: setup models ## break the sources in each known way (Mutants/) and see that a test fails
	@scripts/mutants

fuzz-inputs: setup ## ten minutes of made-up inputs for each parser of outside bytes, guided by what they reach (libFuzzer)
	@scripts/fuzz-inputs $(FUZZ_INPUTS)

sanitize: setup models ## the tests under the address and the thread sanitizer
	@scripts/sanitize $(SANITIZE)

# Which networks, for example ZOO='--only bert'.
ZOO ?= --resume --markdown docs/models.md

zoo: build ## export and serve 130 networks of every kind over three workers and compare them with PyTorch; writes docs/models.md
	@scripts/zoo $(ZOO)

clean: ## remove what was built or made; what was downloaded stays (.libtorch, .venv, .venv-…)
	@rm -rf .build .build-manifests .build-mutants .build-fuzz .build-zoo .build-docs .build-address .build-thread .models dist
