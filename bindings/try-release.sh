#!/usr/bin/env bash
# Tries what build-release.sh built, on a system that it is for: both packages load their engine and open a store.
# Needs python3 with venv, and node.
set -euo pipefail
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT

python3 -m venv "$tmp/python"
"$tmp/python/bin/pip" install --quiet --no-index --no-deps ../dist/python/*.whl
"$tmp/python/bin/python" -c 'from shared_session import SessionManager; SessionManager(store="memory:").ready()'

cp -r node/package.json node/lib ../dist/engines "$tmp"
node -e 'new (require(process.argv[1]).SessionManager)({ store: "memory:" }).ready()' "$tmp"
