# Everything here works offline once the Go modules are in the module cache.
# Settings: make fuzz FUZZTIME=60; make bench BENCH=Append PKG=./internal/wal

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

PKG ?= ./...
# Flags for go test, such as -count=1 or -run.
TESTFLAGS ?=
# Seconds for each fuzz target, and for all of them together (0 = no limit).
FUZZTIME ?= 30
FUZZBUDGET ?= 0
# Seconds for fuzzing a server from its OpenAPI document.
SCHEMATIME ?= 30
# Which benchmarks.
BENCH ?= .

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build annals, import a real audit trail, search it and serve it until interrupted
	@scripts/run.sh

.PHONY: test
test: tools format vet staticcheck race schemathesis ## everything a change must pass: lint, guard tests, all tests with -race

.PHONY: race
race: ## all tests with the race detector, summarised
	@go test -race -json -timeout 20m $(TESTFLAGS) $(PKG) | go run ./scripts/testsummary

.PHONY: lint
lint: format vet staticcheck guards ## gofmt, go vet, staticcheck, and the tests of layers and documentation

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME seconds
	@scripts/fuzz.sh $(FUZZTIME) $(FUZZBUDGET)

.PHONY: sim
sim: ## crash and fault loops of the engine, with more and fresh seeds
	ANNALS_LONG=1 go test -count=1 -timeout 1h -run 'Fault|Mutation|Crash' ./internal/native ./internal/wal .

.PHONY: measure
measure: ## measure a journal beside its disk: what docs/performance.md reports
	go run ./cmd/annals bench

.PHONY: bench
bench: ## run the benchmarks that match BENCH in PKG
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: docs
docs: ## check comments, links and examples
	go test -count=1 -run '^(TestDocs|Example)' $(PKG)

.PHONY: build
build: ## build bin/annals
	CGO_ENABLED=0 go build -trimpath -o bin/annals ./cmd/annals

.PHONY: cross
cross: ## compile for other systems, 32 bits and big-endian
	@scripts/cross.sh

.PHONY: nightly
nightly: tools ## long fault and crash loops, then long fuzzing (hours)
	@ANNALS_LONG=1 go test -race -json -count=1 -timeout 6h $(TESTFLAGS) $(PKG) | go run ./scripts/testsummary
	@scripts/schemathesis.sh 1800
	@scripts/fuzz.sh $$(( $(FUZZTIME) > 600 ? $(FUZZTIME) : 600 )) $(FUZZBUDGET)

.PHONY: install
install: ## install annals into Go's bin folder
	CGO_ENABLED=0 go install -trimpath ./cmd/annals

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

# The parts of test and lint.

.PHONY: tools
tools:
	@scripts/tools.sh

.PHONY: format
format:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not in gofmt's form:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet:
	go vet ./...

.PHONY: staticcheck
staticcheck:
	go run $(STATICCHECK) ./...

.PHONY: schemathesis
schemathesis:
	@scripts/schemathesis.sh $(SCHEMATIME)

.PHONY: guards
guards:
	go test -run '^Test(Layers|Docs)' .
