# The tests of each part of the project. `just --list` shows them; `./test.sh` runs them all, on a fresh machine too.

library := "cargo test -p shared-session --all-features --test it --"

[private]
list:
    @just --list --unsorted

# formatting and lints
[group('all crates')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# links, paths and commands in the documents, and the table of settings
[group('all crates')]
documents:
    cargo test -p standalone --test it -- documentation:: configuration::

# what a release needs: one version everywhere, and sound workflows
[group('all crates')]
release:
    tests/version.sh
    tests/workflows.sh

# values and codecs, without a server
[group('library')]
values:
    cargo test -p shared-session --all-features --lib

# the contract, on every backend and format
[group('library')]
contract:
    {{ library }} contract::

# that the contract suite fails on broken backends
[group('library')]
broken-backends:
    {{ library }} contract_detects_broken_backends::

# every interleaving of concurrent requests
[group('library')]
explorer:
    {{ library }} explorer::

# the same with larger bounds, some minutes
[group('library')]
explorer-all:
    {{ library }} explorer:: --ignored

# requests through two servers
[group('library')]
http:
    {{ library }} http:: registry::

# a Redis that is gone, hangs or refuses
[group('library')]
failures:
    {{ library }} failures:: deadline:: renewal_hang::

# Redis with replicas, with Sentinels, on a cluster, and over TLS
[group('library')]
topologies:
    {{ library }} replicas:: sentinel:: cluster:: tls::

# the wire format, with a client in Python
[group('library')]
wire-format:
    {{ library }} wire_format:: wire_client::

# sessions shared with the real php
[group('library')]
php:
    {{ library }} php_real:: php_sessions::

# applications of actix-session, with its middleware and with this one
[group('library')]
drop-in:
    CARGO_TARGET_DIR=target/drop_in cargo test --manifest-path tests/drop_in/Cargo.toml --workspace

# the first example of the library's page, in a new crate
[group('library')]
newcomer:
    tests/newcomer.sh

# the PHP codec, on random input: TARGET is php_scanner or php_writer
[group('library')]
fuzz TARGET:
    cd shared-session && cargo +nightly fuzz run {{ TARGET }}

# that each experiment of the fault suite notices its fault
[group('all crates')]
torture:
    cargo test -p torture -- --include-ignored

# the package for Python
[group('packages')]
python:
    bindings/python/test.sh

# the package for Node.js
[group('packages')]
node:
    bindings/node/test.sh

# one session behind all doors, and the fault suite at each
[group('packages')]
doors:
    tests/doors.sh --all

# one service: NAME is user-service, task-service, or service-kit for what they share
[group('site')]
service NAME:
    cargo test -p {{ NAME }}

# the stack without containers: nginx, both services, Redis, PHP, and programs without a library behind other proxies
[group('site')]
stack:
    tests/native.sh
    tests/proxy.sh
    tests/tls.sh
    tests/forward-auth.sh
    tests/outages.sh
    tests/monitoring.sh
    tests/redis-acl.sh

# every page in a browser
[group('site')]
browser:
    tests/native-browser.sh

# the stack in containers
[group('site')]
compose:
    tests/compose.sh --all

# the stack with Sentinels, in containers
[group('site')]
compose-sentinel:
    tests/compose-sentinel.sh

# a running deployment, by its address
[group('site')]
deployment ADDRESS='http://localhost:8080':
    tests/integration.sh {{ ADDRESS }}

# ROUNDS fail-overs of each kind, on three hosts in network namespaces
[group('site')]
failover ROUNDS='1':
    FAILOVER_ROUNDS={{ ROUNDS }} cargo test -p standalone --test failover

# ten fail-overs of a cluster
[group('measurements')]
cluster-failover:
    {{ library }} cluster:: --ignored --nocapture

# the fault suite on one candidate, such as express-session, or on all; writes README's table and docs/comparison.md
[group('measurements')]
compare *CANDIDATES:
    torture/compare.sh {{ CANDIDATES }}

# the speed, against actix-session's store, or with --packages that of Python and Node.js; with --quick only that the benchmark works
[group('measurements')]
benchmark *OPTIONS:
    cd bench && cargo run --release -- {{ OPTIONS }}

# the instructions of a request; with --update rewrites their table
[group('measurements')]
instructions *OPTIONS:
    bench/instructions.sh {{ OPTIONS }}

# what sessions cost Redis: the figures of docs/scaling.md
[group('measurements')]
scaling:
    cargo test -p shared-session --release --all-features --test it -- scaling:: --ignored --nocapture --test-threads 1
