# SPDX-License-Identifier: Apache-2.0
#
# make demo   the gateway at work in a minute, on a private switch
# make test   everything is tested: unit tests, and frames through a real switch
# make help   all targets

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

export PATH := /usr/local/go/bin:$(PATH):/usr/sbin:/sbin
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
TOOLS    := $(CURDIR)/bin/tools
# In executions of each target. With a time, go test fails now and then at its end though nothing was found: the deadline
# races with the workers' (Go issue 75804).
FUZZTIME ?= 200000x
BENCH    ?=
CHAOSTIME ?= 10m
SOAKTIME ?= 30m

# Network namespaces, packet sockets and the switch need root. sudo may replace PATH (secure_path in sudoers(5)), and
# HOME is not passed on, lest root's files get into the user's caches.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=GOFLAGS,GOPROXY,CI env PATH='$(PATH)')

GOVULNCHECK  := golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOFUMPT      := mvdan.cc/gofumpt@v0.12.0
STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
NFPM         := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
GOLANGCILINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

.PHONY: deps
deps: ## Install what the tests and the demo need (Debian, Ubuntu)
	@testenv/install.sh

.PHONY: build
build: ## Build bin/ofcontroller
	@command -v go >/dev/null || testenv/install.sh
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ofcontroller ./cmd/ofcontroller

.PHONY: demo
demo: deps build ## Show the gateway at work, then clean up
	CGO_ENABLED=0 go build -trimpath -o bin/demo ./testenv/demo
	@$(ROOT) bin/demo -ofcontroller bin/ofcontroller

# Tests wait for switches and probes more than they compute, hence more of them at once than there are processors. All is
# compiled before: a compiler beside them takes the processors that their time limits count on. The package that takes longest
# comes first.
.PHONY: test
test: deps $(TOOLS)/nfpm ## Run all tests
	@testenv/install.sh race suricata browser promtool
	$(ROOT) go test -race -exec true ./... >/dev/null
	$(ROOT) go test -race -parallel 4 -timeout 15m ./ofapp ./...

# OVS is a Debian suite whose Open vSwitch is to be tested, such as trixie; empty: the machine's own. KERNEL is one of apt's
# suites whose kernel is to be booted, such as bookworm-backports; empty: the one that apt would install.
OVS    ?=
KERNEL ?=
OVSDIR  = $(if $(OVS),/var/cache/ofcontroller/ovs-$(OVS))

.PHONY: test-kernel
test-kernel: ## Run the integration tests on the kernel datapath, in a virtual machine (OVS=trixie, KERNEL=bookworm-backports)
	@testenv/install.sh kernel suricata $(if $(OVS),debootstrap)
	$(if $(OVS),$(ROOT) testenv/other-ovs.sh $(OVS) $(OVSDIR))
	$(ROOT) env TESTENV_OVS=$(OVSDIR) go test -tags kernel -count=1 -timeout 20m ./testenv/kernel -args -suite '$(KERNEL)'

.PHONY: test-kernel-all
test-kernel-all: ## The same, and the tests that are too slow for every change
	@testenv/install.sh kernel suricata $(if $(OVS),debootstrap)
	$(if $(OVS),$(ROOT) testenv/other-ovs.sh $(OVS) $(OVSDIR))
	$(ROOT) env TESTENV_OVS=$(OVSDIR) go test -tags kernel -count=1 -timeout 65m ./testenv/kernel -args -suite '$(KERNEL)' -all

.PHONY: test-ovs
test-ovs: OVS := $(or $(OVS),trixie)
test-ovs: deps ## Run the integration tests on the userspace datapath of another Open vSwitch (OVS=trixie)
	@testenv/install.sh suricata debootstrap
	$(ROOT) testenv/other-ovs.sh $(OVS) $(OVSDIR)
	$(ROOT) env TESTENV_OVS=$(OVSDIR) go test -count=1 -timeout 15m ./flows ./openflow ./ovsdb ./ofapp

.PHONY: chaos
chaos: deps ## Hurt the gateway for CHAOSTIME and write the fault table of docs/reliability.md
	$(ROOT) go test ./ofapp -count=1 -v -timeout 60m -run '^(TestFaultTable|TestChaos|TestRandomPairs)$$' \
	  -chaos.table -chaos.time $(CHAOSTIME) -chaos.pairs 200

.PHONY: fleet-faults
fleet-faults: deps ## Hurt the database of a fleet and write the fault table of docs/fleet.md
	@testenv/install.sh clocks
	$(ROOT) go test ./ofapp -count=1 -v -timeout 20m -run '^TestFleetFaults$$' -fleet.table

.PHONY: bench
bench: deps ## Measure beside its peers and write docs/performance.md; one part: BENCH=install
	@testenv/install.sh suricata bench
	CGO_ENABLED=0 go build -trimpath -o bin/bench ./testenv/bench
	$(ROOT) bin/bench $(BENCH)

.PHONY: bench-compare
bench-compare: ## Compare the results of two runs of bench, the directories OLD and NEW (docs/performance); fails when a conclusion changed
	CGO_ENABLED=0 go build -trimpath -o bin/bench ./testenv/bench
	bin/bench -compare $(OLD) $(NEW)

.PHONY: soak
soak: deps ## Keep the gateway busy for SOAKTIME and see that it does not grow
	$(ROOT) go test ./ofapp -count=1 -v -timeout 120m -run '^TestSoak$$' -soak.time $(SOAKTIME)

# Its database is on the Internet (vuln.go.dev), so no other target needs this one.
.PHONY: govulncheck
govulncheck: $(TOOLS)/govulncheck ## Look for known vulnerabilities in what the program calls
	$(TOOLS)/govulncheck ./...

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) go install $(GOVULNCHECK)

.PHONY: fuzz
fuzz: deps ## Run every fuzz target for FUZZTIME
	@go list -f '{{$$p := .}}{{range .TestGoFiles}}{{$$p.Dir}}/{{.}} {{$$p.ImportPath}}{{"\n"}}{{end}}' ./... | \
	while read -r file pkg; do \
	  sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(f \*testing\.F\).*/\1/p' "$$file" | while read -r name; do \
	    echo "== $$pkg $$name"; \
	    go test "$$pkg" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x </dev/null; \
	  done; \
	done

.PHONY: lint
lint: $(TOOLS)/gofumpt $(TOOLS)/staticcheck $(TOOLS)/golangci-lint ## Check formatting and run the linters
	@out=$$($(TOOLS)/gofumpt -l $$(git ls-files -co --exclude-standard '*.go' | xargs -r ls 2>/dev/null)); \
	if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	go vet ./...
	$(TOOLS)/staticcheck ./...
	$(TOOLS)/golangci-lint run ./...

$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) go install $(GOFUMPT)
$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) go install $(STATICCHECK)
$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) go install $(GOLANGCILINT)

# A version for dpkg begins with a digit: tags do, after their v; a bare commit does not.
DEB_VERSION := $(patsubst v%,%,$(if $(filter v%,$(VERSION)),$(VERSION),0.1.0~git.$(VERSION)))
DEB_ARCH    := $(shell go env GOARCH 2>/dev/null || echo amd64)

.PHONY: deb
deb: build $(TOOLS)/nfpm ## Build the Debian package bin/ofcontroller.deb
	@rm -rf bin/package && bin/ofcontroller package-files --dir bin/package
	@DEB_VERSION=$(subst -,+,$(DEB_VERSION)) DEB_ARCH=$(DEB_ARCH) $(TOOLS)/nfpm package --config packaging/nfpm.yaml --packager deb --target bin/ofcontroller.deb

$(TOOLS)/nfpm:
	GOBIN=$(TOOLS) go install $(NFPM)

# The program is static and asks for no file but its own configuration; /var/run is where it looks for Open vSwitch.
.PHONY: image
image: build ## Build the container image ofcontroller, with podman, buildah or docker
	@rm -rf bin/image && mkdir -p bin/image/run bin/image/tmp bin/image/usr/bin bin/image/var && ln -s ../run bin/image/var/run
	@cp bin/ofcontroller bin/image/usr/bin/
	@tool=$$(command -v podman || command -v buildah || command -v docker) || { echo "podman, buildah or docker is needed" >&2; exit 1; }; \
	"$$tool" build -f packaging/Containerfile -t ofcontroller bin/image

.PHONY: test-image
test-image: deps ## Run the container image on a private switch
	@testenv/install.sh image
	$(ROOT) go test -tags image -count=1 ./packaging -run 'TestImage$$'

.PHONY: generate
generate: ## Write the generated references and golden files anew
	go generate ./...
	go test ./docs ./fleet ./ofapp ./cmd/ofcontroller ./testenv/bench -run 'Golden|Generated' -update
	go test ./testenv/demo -run 'TestDemo$$' -update

.PHONY: screenshots
screenshots: deps ## Take the pictures of the status page anew
	@testenv/install.sh browser
	$(ROOT) go test ./ofapp -run 'TestPage$$' -count=1 -screenshots

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
