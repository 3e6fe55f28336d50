# Kedge's main jobs. `make help` lists them.
SHELL := /bin/sh
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help up down clean-host test bench check build format

help: ## list what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

up: ## make this host a cluster of its own (as root)
	@scripts/up.sh

down: ## stop pods and daemons; data stays (as root)
	@scripts/down.sh

clean-host: ## take every trace of Kedge off this host (as root)
	@scripts/clean-host.sh

node_modules/.package-lock.json: package-lock.json
	@command -v npm >/dev/null || scripts/prepare-host.sh
	@npm ci --silent --no-audit --no-fund
	@touch $@

build: node_modules/.package-lock.json ## build the package into dist/
	@npm run --silent build

check: node_modules/.package-lock.json ## types, lint and format
	@npm run --silent check

format: node_modules/.package-lock.json ## put every file into format
	@npm run --silent format

test: ## install what the tests need and run all of them (as root)
	@scripts/test.sh

bench: ## measure, and print the table of docs/performance.md (as root)
	@scripts/bench.sh
