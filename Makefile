# `make dev` runs everything on this machine, `make test` proves it. Both install what is missing, or say how.

# One folder for what is built, outside the clone: RocksDB is compiled once (about 15 minutes of two cores), whatever you check out.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hooklog
export CARGO_TARGET_DIR ?= $(CACHE)/target
export HOOKLOG_KAFKA_LIBS ?= $(CACHE)/kafka/libs
export HOOKLOG_REGISTRY ?= $(CACHE)/registry
export HOOKLOG_PEERS ?= $(CACHE)/peers
BIN := $(CARGO_TARGET_DIR)/debug
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help dev test bin kafka registry setup setup-test lint deny faults bench peers fuzz sabotage golden

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: build ## Run the edge, a broker and two consumers here (ARGS="--listen 127.0.0.1:0")
	@exec $(BIN)/hooklog dev $(ARGS)

test: setup-test lint build deny ## Everything that must pass
	cargo test --workspace --locked

bin: build ## Build the binaries and print their folder
	@echo $(BIN)

# Cargo tells two checkouts that share a target folder apart by nothing but their files' times: the one that is built now gets new ones.
.PHONY: checkout
checkout:
	@mkdir -p $(CARGO_TARGET_DIR)
	@if [ "$$(cat $(CARGO_TARGET_DIR)/checkout 2>/dev/null)" != "$(CURDIR)" ]; then \
		find . -name '*.rs' -not -path './.git/*' -exec touch {} + && echo "$(CURDIR)" >$(CARGO_TARGET_DIR)/checkout; fi

.PHONY: build
build: setup checkout
	@test -e $(BIN)/build || echo "first build: RocksDB and librdkafka are compiled once, about 20 minutes on two cores"
	cargo build --workspace --bins --locked

lint: setup checkout
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

deny: ## Licences, sources and advisories, where cargo-deny and its database are at hand
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "deny: cargo-deny is not installed, skipped (cargo install cargo-deny --locked)"; fi

kafka: $(HOOKLOG_KAFKA_LIBS)/.complete ## Fetch Apache Kafka's jars for the tests

$(HOOKLOG_KAFKA_LIBS)/.complete: tests/kafka/pom.xml
	mvn -q -B -f tests/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(HOOKLOG_KAFKA_LIBS)
	@touch $@

registry: $(HOOKLOG_REGISTRY)/.complete ## Fetch a schema registry (Apicurio) for the tests

REGISTRY_VERSION := 2.6.13.Final
$(HOOKLOG_REGISTRY)/.complete:
	@mkdir -p $(HOOKLOG_REGISTRY)
	mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact=io.apicurio:apicurio-registry-app:$(REGISTRY_VERSION):tar.gz:all -DoutputDirectory=$(HOOKLOG_REGISTRY)
	tar xzf $(HOOKLOG_REGISTRY)/*-all.tar.gz -C $(HOOKLOG_REGISTRY) && rm $(HOOKLOG_REGISTRY)/*-all.tar.gz
	@touch $@

faults: build kafka registry ## The fault experiments in their long form (ARGS="durable_2xx" for some of them)
	HOOKLOG_FAULTS=long cargo test --workspace --locked --test it -- --nocapture --test-threads 1 $(ARGS)

# Ten thousand connections are as many files: the limit is raised as far as it goes.
bench: build kafka ## The figures, against peers in the same run
	@ulimit -n $$(ulimit -Hn); $(BIN)/bench $(ARGS)

peers: ## Build the bench's peers in other languages, as far as their tools are there
	@tests/bench/peers/build $(HOOKLOG_PEERS)

fuzz: setup checkout ## A million inputs for each fuzz target (ARGS="--target json --runs 100000")
	@tests/fuzz/run $(ARGS)

sabotage: build kafka ## Builds that break a promise, each of which the tests must catch
	.ci/sabotage $(ARGS)

golden: ## Rewrite the golden files; read the difference before you commit it
	UPDATE_GOLDEN=1 cargo test --workspace --locked -- golden

setup:
	@.ci/setup build

setup-test: setup
	@.ci/setup test
	@$(MAKE) --no-print-directory kafka registry
