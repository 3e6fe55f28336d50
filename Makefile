# Main targets; `make help` lists them.
SHELL := /bin/sh
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: packages help up down clean-host test bench check build package package-arm64 format

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

up: ## create a single-node cluster on this host (as root)
	@scripts/up.sh

down: ## stop pods and daemons; data is kept (as root)
	@scripts/down.sh

clean-host: ## remove everything that Kedge has created on this host (as root)
	@scripts/clean-host.sh

packages:
	@command -v npm >/dev/null || scripts/prepare-host.sh
	@scripts/npm-install.sh

build: packages ## build the package into dist/
	@npm run --silent build

package: build ## pack dist/ into packages/: a tarball, and a package for Debian
	@scripts/node.sh scripts/package.ts

package-arm64: packages ## the same for arm64, after scripts/foreign-root.sh arm64; needs aarch64-linux-gnu-gcc
	@scripts/node.sh scripts/build.ts --arch arm64
	@scripts/node.sh scripts/package.ts --arch arm64

check: packages ## check types, lint and formatting
	@npm run --silent check

format: packages ## format every file
	@npm run --silent format

test: ## install test dependencies and run all tests (as root)
	@scripts/test.sh

bench: ## run the benchmarks of docs/performance.md (as root)
	@scripts/bench.sh
