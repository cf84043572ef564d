# Etude's commands. Go, git and make are enough to start with: what else a command
# needs, scripts/bootstrap installs where apt can, and names where it cannot.

GO      ?= go
BIN     ?= bin/etude
OUT     ?= demo-out
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TIMEOUT ?= 20m
# Packages that "make test" tests, and what else it hands to go test.
PKGS    ?= ./...
TESTFLAGS ?=
# The packages whose tests run under the race detector too, in "make check".
RACE    ?= ./internal/transcode ./internal/notify ./internal/account ./internal/inbox
BENCH   ?= .
COUNT   ?= 6
# What make lambda builds for, and the rules it packs.
ARCH    ?= arm64
RULES   ?=

tool   := $(GO) tool -modfile=tools/go.mod
assets := internal/web/assets
bundle := $(assets)/dist/manifest.json
sources = $(shell find $(assets)/js $(assets)/css $(assets)/bundle -type f)

# Paths reach the shell through the environment, whatever is in their names.
export FILE OUT

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo run build lambda assets test watch check fmt bench clean

help: ## list the commands
	@echo 'usage: make COMMAND'
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 12

demo: ## transcode FILE=song.mp3, or a sample, through the whole service, into demo-out
	@scripts/bootstrap run assets
	@$(MAKE) build
	@$(BIN) demo $(if $(FILE),--file "$$FILE") --out "$$OUT"

run: ## serve the site on :8080 and the AWS APIs on :4566
	@scripts/bootstrap run assets
	@$(MAKE) build
	@exec $(BIN) serve

# VCS stamping is off: main.version says it, and git may refuse a checkout that
# somebody else owns.
build: assets ## compile bin/etude
	@$(GO) build -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/etude

# The same bytes from the same sources. RULES=rules.yaml puts a file of rules in.
lambda: ## build bin/lambda.zip, a function of AWS Lambda (ARCH=arm64 or amd64, RULES=file.yaml)
	@mkdir -p bin/lambda
	@CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) $(GO) build -buildvcs=false -trimpath -tags lambda.norpc -ldflags '-s -w -buildid=' -o bin/lambda/bootstrap ./cmd/etude-lambda
	@$(GO) run ./cmd/etude-lambda/pack bin/lambda.zip bootstrap=bin/lambda/bootstrap $(if $(RULES),"rules.yaml=$(RULES)")
	@echo 'bin/lambda.zip is for provided.al2023 on $(ARCH); docs/triggers.md says how it is set up'

assets: $(bundle) ## bundle the site's scripts and styles, if they changed
	@:

$(bundle): $(assets)/node_modules/.package-lock.json $(sources) go.sum
	@$(GO) run ./$(assets)/bundle

$(assets)/node_modules/.package-lock.json: $(assets)/package.json $(assets)/package-lock.json
	@scripts/bootstrap assets
	@cd $(assets) && npm ci --loglevel=error >/dev/null && touch node_modules/.package-lock.json

# At home, tests whose program is missing are skipped; CI leaves nothing out.
test: ## run every test, on SQLite and on a Postgres of its own
	@scripts/bootstrap test || { [ "$$CI" != true ] && echo 'going on: tests that need what is missing are skipped' >&2; }
	@$(MAKE) assets
	@scripts/with-postgres $(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) $(PKGS)

watch: assets ## run a package's tests whenever one of its files is saved
	@scripts/with-postgres $(tool) gotestsum --watch --format testname

check: ## hold format, vet, lint, imports, generated files, go.mod and races to what they should be
	@scripts/check $(RACE)

fmt: ## format the Go sources
	@gofmt -w $$(git ls-files -co --exclude-standard '*.go')

bench: assets ## run the benchmarks and sum them up (BENCH=name, COUNT=6; BENCH=Engine, ROWS=clip,song: against ffmpeg)
	@scripts/bootstrap run
ifneq ($(BENCH),Engine)
	@$(GO) test -run '^$$' -bench '$(BENCH)' -count $(COUNT) -timeout 1h ./bench/... | tee bench.txt && $(tool) benchstat bench.txt
endif
ifneq (,$(filter Engine .,$(BENCH)))
	@$(MAKE) build && $(GO) run ./bench/engine $(if $(ROWS),-rows $(ROWS))
endif

clean: ## remove what was built; data and installed programs stay
	@rm -rf bin bench.txt $(assets)/node_modules && find $(assets)/dist -type f ! -name .keep -delete
