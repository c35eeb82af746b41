#!/usr/bin/env bash
# Builds the package and tests it with a real Redis, and with an example in Rust. Needs Rust, Node.js 20, redis-server,
# redis-cli and openssl.
# PROFILE=release tests the release build.
set -euo pipefail
cd "$(dirname "$0")"
export PROFILE=${PROFILE:-dev}
npm ci --silent --no-audit --no-fund --ignore-scripts
node build.js
npx tsc -p .
root=$(cd ../.. && pwd)
(cd "$root" && cargo build --quiet --workspace --all-features --example fields --locked)
FIELDS=${CARGO_TARGET_DIR:-$root/target}/debug/examples/fields npm test --silent
