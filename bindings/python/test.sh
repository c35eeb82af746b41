#!/usr/bin/env bash
# Checks and tests the Python package with the first python3 in PATH, and its forks with each Python from 3.10 on that is in PATH or of pyenv.
# Needs Rust, redis-server, redis-cli and openssl. PROFILE=release tests the release build.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
profile=${PROFILE:-dev}

if ! cmp -s tests/requirements.txt .venv/requirements.txt; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r tests/requirements.txt
  cp tests/requirements.txt .venv # says that the installation is complete
fi
export PATH=$PWD/.venv/bin:$PATH

cargo fmt --check
cargo clippy --profile "$profile" --locked -- -D warnings
pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall \
  --config-settings "build-args=--profile=$profile" .
ruff check .
ruff format --check .
mypy

pythons=()
for version in 10 11 12 13; do
  for python in "python3.$version" ~/.pyenv/versions/"3.$version".*/bin/python; do
    if python=$(command -v "$python") && "$python" -c '' 2>/dev/null; then pythons+=("$python"); break; fi
  done
done
(cd "$root" && cargo build --quiet --workspace --all-features --example fields --locked)
PYTHONS="${pythons[*]}" FIELDS=${CARGO_TARGET_DIR:-$root/target}/debug/examples/fields pytest --quiet "$@"
