# The commands of this repository, one line each: what has to decide something is in scripts/.

DATA_DIR ?= data
LISTEN ?= 127.0.0.1:8080
ARGS ?=
SECONDS_EACH ?= 30

# Cargo may have been installed without being put on the path.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run build test check fmt clippy doc bless bench alerts conformance fuzz deny clean setup-build setup-test

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 13

run: build ## Run Muster with a demo workspace; prints addresses and tokens. DATA_DIR=, LISTEN=
	cargo run --locked --release --bin muster -- demo --data-dir $(DATA_DIR) --listen $(LISTEN)

build: setup-build ## Build the release binary, target/release/muster.
	cargo build --locked --release --bin muster

test: setup-test check ## Run everything that has to pass: checks, examples in the docs, all tests.
	cargo test --locked --workspace --doc
	cargo nextest run --locked --workspace --profile ci

check: fmt clippy doc ## Check the format, the lints and the documentation.

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# Not by nextest: its processes, one for each test, would write the same file at the same time.
bless: ## Write what the tests see now into their expectations; review the diff.
	UPDATE_EXPECT=1 cargo test --locked --workspace --lib --bins --tests --no-fail-fast

bench: build ## Measure the release build beside servers and loops that do less. ARGS=
	cargo run --locked --release --bin bench -- $(ARGS)

alerts: ## Check the alert rules of deploy/prometheus and try each of them (needs promtool).
	scripts/alerts

conformance: ## Run the conformance suites of others, and compare with their libraries. MUSTER_BIN=
	scripts/conformance

fuzz: ## Give each parser and engine of SCIM random input for a while. SECONDS_EACH=
	SECONDS_EACH=$(SECONDS_EACH) scripts/fuzz

deny: ## Check licences, sources and duplicates of dependencies (needs cargo-deny).
	cargo deny --locked check --hide-inclusion-graph bans licenses sources

clean: ## Remove what was built; the data of `make run` stays.
	cargo clean

setup-build:
	@scripts/setup build

setup-test:
	@scripts/setup test
