# penstock. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables

# The one place where the linter's version is pinned.
GOLANGCI_LINT_VERSION := v2.15.0

TIMEOUT  ?= 5m     # test, race: the most that one package may take
FUZZTIME ?= 10s    # fuzz: for each function
BENCH    ?= .      # bench: which benchmarks, a regular expression
COUNT    ?= 6      # bench: runs of each
SEEDS    ?= 3      # arena: replications of each run
PKG      ?= ./...  # test, race, fuzz, bench: which packages of the main module

# The folders with a go.mod of their own.
export MODULES := $(patsubst %/go.mod,%,$(wildcard */go.mod */*/go.mod))

LINTER := bin/tools/golangci-lint-$(GOLANGCI_LINT_VERSION)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings, as in 'make fuzz FUZZTIME=1m':"
	@awk -F ' *(\\?=|#) *' '/^[A-Z]+ *\?=/ { printf "  %-9s %-6s %s\n", $$1, $$2, $$3 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, and start the demo
	exec bin/penstock demo

.PHONY: build
build: dashboard ## build bin/penstock, with the dashboard if Node is there
	go build -trimpath -o bin/penstock ./cmd/penstock

.PHONY: dashboard
dashboard:
	@bash tools/dashboard.sh

.PHONY: test
test: ## every test that can run here; says what it skipped, and why
	@bash tools/test.sh -shuffle=on -timeout=$(strip $(TIMEOUT)) $(strip $(PKG))

.PHONY: race
race: ## the tests of the main module under the race detector (needs a C compiler)
	go test -race -shuffle=on -timeout=$(strip $(TIMEOUT)) $(strip $(PKG))

.PHONY: fuzz
fuzz: ## every fuzz function for FUZZTIME
	@bash tools/fuzz.sh $(strip $(FUZZTIME)) $(strip $(PKG))

.PHONY: bench
bench: ## the benchmarks, compared with those of the run before
	@bash tools/bench.sh '$(strip $(BENCH))' $(strip $(COUNT)) $(strip $(PKG))

.PHONY: lint
lint: $(LINTER) ## golangci-lint, go vet, go fix and go mod tidy, without changing anything
	@bash tools/lint.sh $(LINTER)

.PHONY: fix
fix: $(LINTER) ## format, modernize and tidy
	@bash tools/fix.sh $(LINTER)

.PHONY: golden
golden: ## rewrite the golden files; review the diff
	@bash tools/golden.sh

.PHONY: laws
laws: ## the default law against its suite at full size (10 seeds; about 10 minutes)
	PENSTOCK_FULL=1 go test -count=1 -v -timeout=30m ./admission/limit/limittest

.PHONY: theory
theory: ## the simulator against queueing theory at full size; writes a report
	@bash tools/theory.sh

.PHONY: lab
lab: build ## every scenario of the library, and that each protection in it is needed
	bin/penstock lab test --mutate

.PHONY: flow-proof
flow-proof: ## prove that flows lose nothing: 1000 kills, 12000 power cuts, every crash point; writes a report
	bash tools/flow-proof.sh

.PHONY: bench-flow
bench-flow: ## the store of flows beside what bounds it, a million items, pressure (5 minutes)
	bash bench/flow/store.sh

.PHONY: flow-million
flow-million: ## start a flow with a million items, and pull from it
	PENSTOCK_FULL=1 go test -run='^$$' -bench='^BenchmarkMillion$$' -benchtime=20000x -timeout=10m ./flow/boltstore

.PHONY: flow-peers
flow-peers: ## flows beside JetStream, River and Asynq (installs PostgreSQL and Redis)
	bash bench/flow/run.sh

.PHONY: arena
arena: ## real limiters on the same plants, for penstock lab arena (20 minutes and more)
	go test -C bench/arena -count=1 -timeout=4h -run='^TestArena$$' -out=results.json -seeds=$(strip $(SEEDS)) .

.PHONY: numbers
numbers: build ## the default law beside the numbers that it is to reach (10 seeds; 20 minutes)
	bin/penstock lab arena --numbers --cases --seeds 10

.PHONY: soak
soak: ## twenty minutes of twice what a server can do, 30 times for each service law (12 minutes)
	PENSTOCK_FULL=1 go test ./lab/arena -run Soak -v -timeout 60m

.PHONY: plots
plots: build ## the pictures in docs/laws.md
	bin/penstock lab arena --plots docs/img

.PHONY: micro
micro: ## what limiters cost per call, ours and others (2 minutes)
	bash bench/arena/micro/run.sh

.PHONY: calls
calls: ## what a call costs with the signal, beside its fields alone (2 minutes)
	bash bench/call/run.sh

.PHONY: live
live: ## prove the live figures with real processes
	bash bench/live/run.sh

.PHONY: signal-live
signal-live: ## the signal over six processes, HTTP and gRPC; writes a report (8 minutes)
	bash bench/signal/run.sh

.PHONY: shop
shop: ## the same shop, protected in several ways; writes a report (7 minutes)
	bash bench/shop/run.sh

# The version is in the file's name, so that a new pin installs a new linter.
$(LINTER):
	@echo "installing golangci-lint $(GOLANGCI_LINT_VERSION)"
	@mkdir -p bin/tools/new
	@GOBIN="$$PWD/bin/tools/new" GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv bin/tools/new/golangci-lint $@
