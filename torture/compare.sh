#!/usr/bin/env bash
# Runs all experiments against all candidates, or against those that are named, and writes docs/comparison.md and the table in README.md.
#   torture/compare.sh [CANDIDATE…]
set -euo pipefail
cd "$(dirname "$0")/.."
candidates=("$@")
if ((!$#)); then for file in torture/candidates/*/candidate.json; do candidates+=("$(basename "${file%/*}")"); done; fi
cargo build --release --locked -p torture
torture=${CARGO_TARGET_DIR:-target}/release/torture
for candidate in "${candidates[@]}"; do
  folder=torture/candidates/$candidate
  printf '\n== %s\n' "$candidate"
  "$folder/install"
  without=()
  if grep -q '"without": \["sentinel"\]' "$folder/candidate.json"; then without=(--without sentinel); fi
  status=0
  "$torture" --name "$candidate" "${without[@]}" --json "$folder/result.json" -- "$folder/start" || status=$?
  if ((status > 1)); then exit "$status"; fi # 1: a promise failed
done
"${CARGO_TARGET_DIR:-target}/release/compare"
