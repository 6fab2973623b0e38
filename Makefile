# SPDX-License-Identifier: Apache-2.0
# Every task that a person runs. What is longer than a line or two is a script in .ci/.
.DEFAULT_GOAL := help
.PHONY: help demo chat serve check fmt lint test doc deny soak fuzz bindings api kotlin swift aar xcframework size bench-bindings demo-kotlin bench bench-peers demo-swift fixtures

FUZZ_SECONDS ?= 60
SOAK_RUNS ?= 50
ARGS ?=

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## three people chat through a real server that is killed in the middle
	@cargo build --locked --example demo
	@cargo run --quiet --locked --example demo

# USER alone would be the login name that every shell exports.
demo-kotlin: ## the same conversation as an Android developer writes it
	@.ci/kotlin demo

demo-swift: ## the same conversation as an iOS developer writes it
	@.ci/swift demo

chat: ## a chat in the terminal: USER=alice PEER=bob [SERVER=https://host:port]
ifneq ($(origin USER) $(origin PEER),command line command line)
	@echo 'usage: make chat USER=alice PEER=bob [SERVER=https://host:port]' >&2; exit 2
else
	@cargo run --quiet --locked --example chat -- --user '$(USER)' --peer '$(PEER)' $(if $(SERVER),--server '$(SERVER)') $(ARGS)
endif

serve: ## run the server on its defaults; more arguments in ARGS="--listen 127.0.0.1:8080"
	@cargo run --quiet --locked -p hongyan-server -- serve $(ARGS)

check: ## compile everything, quickly, without building it
	@cargo check --workspace --all-targets

fmt: ## format the code
	@cargo fmt --all
	@cargo fmt --manifest-path fuzz/Cargo.toml

lint: ## formatting and clippy, warnings denied
	@cargo fmt --all --check
	@cargo fmt --manifest-path fuzz/Cargo.toml --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings

test: ## everything that must hold before a change lands; installs what is missing
	@.ci/test

doc: ## build the documentation into target/doc
	@RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

deny: ## licences, sources and known vulnerabilities of the dependencies
	@.ci/deny policy
	@.ci/deny advisories || test $$? -eq 3

fixtures: ## keep the stores of the coming version for the tests of later ones (before its release)
	@cargo test --quiet --locked --test e2e stored::make::the_fixture_of_the_coming_version -- --ignored --exact

soak: ## the long tests, then the end-to-end suite SOAK_RUNS=50 times
	@SOAK_RUNS='$(SOAK_RUNS)' .ci/soak

bindings: ## the library that other languages load, and their generated faces, into target/
	@.ci/bindings

api: bindings ## make the generated public API the snapshot in bindings/api
	@target/debug/hongyan-bindings api target/bindings --write

kotlin: ## the Kotlin library's tests, on the JVM, against a real server
	@.ci/kotlin test

swift: ## the Swift package's tests, on Linux, against a real server
	@.ci/swift test

aar: ## the Android library, assembled and inspected, into target/aar
	@.ci/kotlin aar

xcframework: ## the library for Apple's systems (needs a Mac; unverified)
	@.ci/xcframework

size: ## how large the library on a phone is, and what it consists of
	@.ci/size

bench: ## how fast the server is against what the machine can do; ARGS="--quick --only messages"
	@.ci/bench $(ARGS)

bench-peers: ## the same, and ejabberd, Prosody and Mosquitto beside it (installs them; root only)
	@.ci/bench-peers $(ARGS)

bench-bindings: ## what calls, records, pages and events cost in Kotlin and in Swift
	@.ci/kotlin bench
	@.ci/swift bench

fuzz: ## each fuzz target for FUZZ_SECONDS=60
	@.ci/fuzz '$(FUZZ_SECONDS)'
