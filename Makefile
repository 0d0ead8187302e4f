# The one entrance. `make` alone tells what there is; on a fresh machine nothing needs to be installed before.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# embedded (default on Linux as root), kind (needs Docker), current (the current kubectl context, needs REGISTRY)
CLUSTER ?=
REGISTRY ?=
# whether the demo has Grafana. auto (default): where its image can be had; on: in any case; off: not at all
GRAFANA ?=
# the address of a Prometheus whose data dashboards-preview draws instead of the demo's
PROMETHEUS ?=
export CLUSTER REGISTRY GRAFANA

cluster := $(PYTHON) -m devcluster
bin := .venv/bin
venv := .venv/.ready
# Without compiled modules every run, and each worker of it, would compile all of them again.
unexport PYTHONDONTWRITEBYTECODE
# These plugins are of no use here, and take a second to load, in each worker again.
plain := $(bin)/pytest -q -p no:schemathesis -p no:anyio
pytest := $(plain) --durations=30
fast := tests/unit tests/golden
# Tests that wait run beside tests that work, so there are more workers than cores. In the order of the folders: the
# cluster's groups take longest.
beside := -n 6 --dist loadgroup --no-loadscope-reorder
uv = VIRTUAL_ENV=$(CURDIR)/.venv $(bin)/uv -q pip
lock = $(uv) compile --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: help
help: ## say what there is
	@echo "usage: make TARGET [CLUSTER=embedded|kind|current] [REGISTRY=host/path] [GRAFANA=auto|on|off]"; echo
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## cluster, operator, the stack `shop`, some traffic, and how to look at it
	@$(cluster) demo

.PHONY: demo-down
demo-down: ## remove the demo and, when it is ours, the cluster
	@$(cluster) demo-down

.PHONY: dashboards-preview
dashboards-preview: $(venv) ## draw every dashboard of the demo into build/dashboards, without Grafana
	@$(if $(PROMETHEUS),,$(cluster) demo)
	@$(bin)/python -m dashboards.preview $(if $(PROMETHEUS),--prometheus $(PROMETHEUS))

.PHONY: kubeconfig
kubeconfig: ## print the path of the cluster's kubeconfig
	@$(cluster) kubeconfig

.PHONY: venv
venv: $(venv) ## make .venv with everything that development needs, from hash-pinned requirements

# pip installs uv by its hashes, and uv everything else in a tenth of the CPU time that pip takes.
$(venv): requirements/dev.txt pyproject.toml
	@test -x $(bin)/python || $(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/^[^ ]/{/^uv==/p; /^ /p}' requirements/dev.txt > .venv/uv.txt
	@$(bin)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@$(uv) install --no-deps --require-hashes -r requirements/dev.txt
	@$(uv) install --no-deps --no-build-isolation -e .
	@$(uv) check
	@touch $@

# Side by side: on a fresh clone mypy works for more than a minute. Each says all it has to say in one piece.
.PHONY: check
check: ## lint, types, import contracts and the fast tests: under 2 minutes
	@$(MAKE) -j2 --output-sync=target lint fast

.PHONY: fast
fast: $(venv)
	@$(plain) $(fast)

.PHONY: test
test: ## everything that is a test, on a real cluster; a running demo is left alone
	@$(MAKE) -j3 lint working installed
	@$(pytest) tests/cluster tests/integration tests/service --junitxml=build/test/waiting.xml $(beside)

# While the cluster starts, what needs none of it is tested; what that says comes in one piece.
.PHONY: working
working: $(venv)
	@mkdir -p build/test; code=0; \
	  $(pytest) $(fast) tests/contract --junitxml=build/test/working.xml >build/test/working.txt 2>&1 || code=$$?; \
	  cat build/test/working.txt; exit $$code

.PHONY: installed
installed:
	@$(cluster) up
	@$(cluster) install

.PHONY: test-faults
test-faults: $(venv) cluster-up images ## break stacks; see which alerts are sent and what the status says: about 95 minutes, writes docs/faults.md
	@$(bin)/python -m tests.faults --record docs/faults.md

.PHONY: golden
golden: $(venv) ## write everything that is made from sources anew: the CRD, the field reference, reasons, dashboards, goldens
	@$(bin)/python -m dashboards
	@$(bin)/python hack/crd.py
	@$(bin)/python hack/reference.py
	@$(bin)/python hack/reasons.py
	@$(plain) tests/golden --update-golden

.PHONY: scrape-fields
scrape-fields: $(venv) ## list the fields of a scrape job anew, from the sources of the pinned Prometheus; needs Go
	@PYTHONPATH=. $(bin)/python hack/scrape_fields.py

.PHONY: picture
picture: ## draw the pictures of the documents anew, with Graphviz
	@PYTHONPATH=. $(PYTHON) hack/picture.py

.PHONY: lint
lint: $(venv) ## ruff, mypy, import-linter
	@$(bin)/ruff check
	@$(bin)/ruff format --check
	@$(bin)/mypy
	@$(bin)/lint-imports

.PHONY: format
format: $(venv) ## let ruff format and fix
	@$(bin)/ruff format
	@$(bin)/ruff check --fix

.PHONY: lock
lock: $(venv) ## pin the requirements anew from pyproject.toml
	@$(lock) --extra operator pyproject.toml -o requirements/operator.txt
	@$(lock) --extra service pyproject.toml -o requirements/service.txt
	@$(lock) --extra cli pyproject.toml -o requirements/cli.txt
	@$(lock) --extra cli --extra operator --extra service --extra dev pyproject.toml -o requirements/dev.txt
	@$(bin)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(lock) - -o requirements/build.txt

.PHONY: digests
digests: $(venv) ## pin the public images in Dockerfiles and defaults by digest: asks their registries; then make golden
	@$(bin)/python hack/digests.py

.PHONY: sbom
sbom: $(venv) ## write what is in the two images into build/sbom, as CycloneDX; builds them where needed
	@PYTHONPATH=. $(bin)/python hack/sbom.py

.PHONY: cluster-up
cluster-up: ## start the cluster; builds it the first time (about 10 minutes), then seconds
	@$(cluster) up

.PHONY: cluster-down
cluster-down: ## stop the cluster and remove all of it
	@$(cluster) down

.PHONY: images
images: ## build the two images and bring them to the cluster
	@$(cluster) images
