# Kedge's main jobs. `make help` lists them.
SHELL := /bin/sh
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: packages help up down clean-host test bench check build format

help: ## list what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

up: ## make this host a cluster of its own (as root)
	@scripts/up.sh

down: ## stop pods and daemons; data stays (as root)
	@scripts/down.sh

clean-host: ## take every trace of Kedge off this host (as root)
	@scripts/clean-host.sh

packages:
	@command -v npm >/dev/null || scripts/prepare-host.sh
	@scripts/npm-install.sh

build: packages ## build the package into dist/
	@npm run --silent build

check: packages ## types, lint and format
	@npm run --silent check

format: packages ## put every file into format
	@npm run --silent format

test: ## install what the tests need and run all of them (as root)
	@scripts/test.sh

bench: ## measure, and print the table of docs/performance.md (as root)
	@scripts/bench.sh
