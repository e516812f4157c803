# Two commands on a fresh Debian 12: `make demo` and `make test`. Each installs what it needs, says so, and may be run again.
# What they use: PyPI, Debian's archive (as root or through sudo), nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
# Test processes, and more for pytest or the demo: make test JOBS=4 ARGS='tests/flows -k refused'
JOBS ?= auto
ARGS ?=
PYTEST := $(PYTHON) -m pytest --dist loadfile --maxprocesses 8 -n $(JOBS)

.PHONY: help setup demo test test-quick check bench

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv from the locked dependencies, every package checked by hash
	@tools/setup.sh

demo: setup ## load two sample billers, run hub and partner portal until Ctrl-C; other ports: make demo ARGS='--port 9080 --partner-port 9090'
	@exec .venv/bin/idhub demo $(ARGS)

test: setup ## every test, with real PostgreSQL, PgBouncer, Redis, nginx, Chromium and WebKit; installs those with apt where they are missing
	@$(PYTHON) tools/provision.py test
	@exec $(PYTEST) $(ARGS)

test-quick: setup ## unit, contract and flow tests on embedded storage; no server, no browser; under 3 minutes
	@exec $(PYTEST) -m 'not servers and not browser' $(ARGS)

check: setup ## formatting, lint, types, import rules, shell scripts
	@tools/check.sh

bench: setup ## measure the hot paths beside a floor on PostgreSQL and Redis, and write benchmarks/results.md
	@$(PYTHON) tools/provision.py bench
	@exec $(PYTHON) -m benchmarks $(ARGS)
