#!/usr/bin/env bash
# Tests the doors of the engine: that one session is behind all of them, and each with the fast experiments of the fault suite.
#   tests/doors.sh          one door of each language in one session, and the experiments at those of Rust
#   tests/doors.sh --all    every door in both
set -euo pipefail
cd "$(dirname "$0")/.."
case $* in
  '') others=(flask express) ;;
  --all) others=(flask django fastapi express fastify) ;;
  *) echo "usage: $0 [--all]" >&2; exit 2 ;;
esac
export PROFILE=dev
export SESSION_STORE_TIMEOUT=3s # a debug build on a busy machine is slow
export torture=${CARGO_TARGET_DIR:-target}/debug/torture

# With the features of the other tests, so that nothing is compiled twice.
cargo build --workspace --all-features --bins --locked
doors=(shared-session-{actix,axum})
tried=("${doors[@]}")
for door in "${others[@]/#/shared-session-}"; do
  "torture/candidates/$door/install"
  doors+=("$door")
done
tests/doors.py "${doors[@]}"
if [[ $* == --all ]]; then tried=("${doors[@]}"); fi

# All promises but one, which the contract does not make: for one field, the last change wins.
experiments() { # DOOR
  local output
  if output=$("$torture" --name "$1" --fast --except '^concurrent-counts$' -- "torture/candidates/$1/start" 2>&1); then
    echo "ok     $1: ${output##*$'\n'}"
  else
    printf 'FAILED %s\n%s\n' "$1" "$output"
    return 1
  fi
}
export -f experiments
# Some at a time, because an experiment waits more than it works.
printf '%s\n' "${tried[@]}" | xargs -P 3 -I {} bash -c 'experiments {}'
