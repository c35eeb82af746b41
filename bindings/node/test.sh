#!/usr/bin/env bash
# Builds the package and tests it with a real Redis, and with the example in Rust if it is built. Needs Rust, Node.js 20 and
# redis-server. PROFILE=release tests the release build.
set -euo pipefail
cd "$(dirname "$0")"
export PROFILE=${PROFILE:-dev}
npm ci --silent --no-audit --no-fund --ignore-scripts
node build.js
npx tsc -p .
example=${CARGO_TARGET_DIR:-../../target}/debug/examples/fields
[ ! -x "$example" ] || export RUST_EXAMPLE=$(realpath "$example")
npm test --silent
