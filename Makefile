# One command runs Himalia (`make up`), one checks it (`make test`). Everything is installed into
# .venv from locks with hashes; nothing needs Docker, a cluster or root. Each step leaves a stamp
# and is skipped while what it was made from has not changed.
#
#   make up [DEMO=1] [PORT=8000] [HOST=127.0.0.1] [STATE_DIR=…] [ARGS="--keep-workloads"]

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
LOCKS := hub/locks
UV := $(BIN)/uv --no-progress
# The platform's packages alone, or with those of the tests once `make test` installed them.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PANEL_SOURCES := package.json package-lock.json \
	$(shell find labextension -type f -not -path '*/node_modules/*' -not -path '*/lib/*' -not -name '*.tsbuildinfo' 2>/dev/null)

UP_FLAGS := $(if $(DEMO),--demo) $(if $(PORT),--port $(PORT)) $(if $(filter command line,$(origin HOST)),--host $(HOST)) \
	$(if $(STATE_DIR),--state-dir $(STATE_DIR)) $(ARGS)

.PHONY: help install install-test environments up test lint types unit front-end chromium slapd e2e bench test-kill test-kubernetes test-mutants lock clean

help:
	@echo "make up [DEMO=1] [PORT=8000] [STATE_DIR=...]   install what is missing and run Himalia here"
	@echo "make install     install without running"
	@echo "make test        lint, types, unit, contract, API (SQLite and PostgreSQL), panels, browser"
	@echo "make test-kill   kill processes at random moments; bills must equal the journals"
	@echo "make test-kubernetes KUBECONFIG=...   the contract and the cluster tests against a real cluster"
	@echo "make test-mutants take every guard of the code out, one at a time; results in build/mutants.json"
	@echo "make bench       measure against the named peers; results in build/bench.json"
	@echo "make lock        resolve the locks anew"
	@echo "make clean       remove everything built; states of installations stay"

# ---- installation ---------------------------------------------------------------------------

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "python3 -m venv failed; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/installer: $(LOCKS)/installer.lock | $(STAMPS)/venv
	@echo "  install      uv and the build tools"
	@$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCKS)/installer.lock
	@touch $@

$(STAMPS)/packages: $(LOCKS)/platform.lock $(STAMPS)/installer
	@echo "  install      $$(grep -c '==' $(LOCKS)/platform.lock) packages of the platform"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCKS)/platform.lock
	@touch $@

$(STAMPS)/packages-test: $(LOCKS)/test.lock $(STAMPS)/packages
	@echo "  install      packages of the tests"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCKS)/test.lock
	@touch $@

# Node.js of the machine from version 20 on, else a wheel of it.
$(STAMPS)/node: $(LOCKS)/node.lock $(STAMPS)/installer
	@if node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1; then \
		true; \
	else \
		echo "  install      Node.js"; \
		$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCKS)/node.lock; \
	fi
	@touch $@

$(STAMPS)/node-modules: package-lock.json $(STAMPS)/node
	@echo "  install      packages of the panels"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/panels: $(PANEL_SOURCES) $(STAMPS)/node-modules
	@echo "  build        panels"
	@mkdir -p build && { npm run --silent build >build/panels.log 2>&1 || { cat build/panels.log; exit 1; }; }
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/packages $(STAMPS)/panels
	@echo "  install      this project"
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --reinstall-package himalia -e .
	@touch $@

install: $(STAMPS)/project environments

install-test: install $(STAMPS)/packages-test

environments: $(STAMPS)/project
	@$(BIN)/python -m himalia_hub.develop.images.builder

# ---- running --------------------------------------------------------------------------------

up: install
	@exec $(BIN)/himalia up $(UP_FLAGS)

# ---- checking -------------------------------------------------------------------------------

# What keeps one core busy runs side by side, what counts on both runs by itself.
test: install-test
	+@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types front-end
	+@$(MAKE) --no-print-directory unit
	+@$(MAKE) --no-print-directory e2e

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	npm run --silent lint

types: install-test
	$(BIN)/mypy
	npm run --silent typecheck

unit: install-test
	$(BIN)/pytest -n 3 --dist loadfile -m "not e2e and not kill and not cluster and not mutants"

front-end: install-test
	npm run --silent test

# The browser of the browser tests is Debian's.
chromium:
	@test -x /usr/bin/chromium || { \
		echo "  install      Chromium"; \
		SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		export DEBIAN_FRONTEND=noninteractive; \
		$$SUDO apt-get -qq update && $$SUDO apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk >/dev/null; \
	}

# The directory of the sign-in tests is Debian's OpenLDAP; the service that its package would start is not wanted.
slapd:
	@test -x /usr/sbin/slapd || { \
		echo "  install      OpenLDAP"; \
		SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		$$SUDO apt-get -qq update && $$SUDO -E apt-get -qq install -y --no-install-recommends slapd >/dev/null; \
	}

e2e: install-test chromium slapd
	$(BIN)/pytest -m "e2e and not kill" tests/e2e

test-kill: install-test
	$(BIN)/pytest -m kill tests

# Against any cluster; see tests/contract/kubernetes_harness.py for the image and storage class it may need,
# tests/cluster/test_selfcheck.py for the whole line as pods.
test-kubernetes: install-test
	@test -n "$(KUBECONFIG)" || { echo "name a cluster: make test-kubernetes KUBECONFIG=/path/to/kubeconfig"; exit 1; }
	KUBECONFIG="$(KUBECONFIG)" $(BIN)/pytest -m cluster tests/contract tests/cluster

test-mutants: install-test
	$(BIN)/pytest -m mutants tests/mutants -s -q

bench: install-test
	@mkdir -p build
	$(BIN)/python -m tests.benchmarks --output build/bench.json

# ---- locks ----------------------------------------------------------------------------------

COMPILE := $(UV) pip compile --quiet --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --upgrade

lock: $(STAMPS)/installer
	$(COMPILE) -o $(LOCKS)/node.lock $(LOCKS)/node.in
	$(COMPILE) --extra hub -o $(LOCKS)/platform.lock pyproject.toml
	$(COMPILE) -c $(LOCKS)/platform.lock -o $(LOCKS)/installer.lock $(LOCKS)/installer.in
	$(COMPILE) --extra hub --extra test -c $(LOCKS)/platform.lock -o $(LOCKS)/test.lock pyproject.toml
	for name in science base; do \
		$(COMPILE) -o hub/himalia_hub/develop/images/environments/$$name.lock \
			hub/himalia_hub/develop/images/environments/$$name.in; \
	done
	npm install --package-lock-only --no-audit --no-fund

clean:
	rm -rf $(VENV) build node_modules labextension/node_modules labextension/lib \
		server_extension/himalia/labextension labextension/tsconfig.tsbuildinfo
