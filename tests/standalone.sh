#!/usr/bin/env bash
# Tests both services in one process, as `cargo run` starts them: with sessions in memory, with Redis, and with invalid settings.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
build
reserve_ports redis_port port
start_redis "$redis_port"

for store in memory: "redis://127.0.0.1:$redis_port/0"; do
  echo "## standalone with SESSION_STORE=$store"
  start standalone env BIND="127.0.0.1:$port" SESSION_STORE="$store" "$bin/standalone"
  check "starts" comes_up standalone 20 responds "http://127.0.0.1:$port/healthz"
  check "is ready" responds "http://127.0.0.1:$port/readyz"
  check "passes its health check" env BIND="127.0.0.1:$port" "$bin/standalone" healthcheck
  check "passes tests/integration.sh" tests/integration.sh "http://127.0.0.1:$port"
  check "stops at SIGTERM with status 0" stop standalone
  check "fails its health check after that" not env BIND="127.0.0.1:$port" "$bin/standalone" healthcheck
done

echo "## the front page"
# the commands and the output of its transcript
awk '/^```console/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md | sed "s/:8080/:$port/" >"$tmp/transcript"
repeated() { (cd "$tmp" && sed -n 's/^\$ //p' transcript | while read -r line; do printf '%s\n' "\$ $line"; bash -c "$line"; done); }
start standalone env BIND="127.0.0.1:$port" "$bin/standalone"
check "starts" comes_up standalone 20 responds "http://127.0.0.1:$port/healthz"
check "has a transcript" [ -s "$tmp/transcript" ]
check "prints what the transcript shows" diff "$tmp/transcript" <(repeated)
check "stops at SIGTERM with status 0" stop standalone

echo "## invalid settings"
one_line_naming() { [[ $(wc -l <"$tmp/err") == 1 && ! -s $tmp/out ]] && grep -qF -- "$1" "$tmp/err"; }
details() { echo "status $status"; cat "$tmp/out" "$tmp/err"; }
check_rejected() { # VARIABLE=VALUE
  local name
  for name in standalone user-service task-service; do
    status=0
    timeout 10 env "$1" "$bin/$name" >"$tmp/out" 2>"$tmp/err" || status=$?
    check "$name does not start with $1" [ "$status" -gt 0 -a "$status" -lt 124 ]
    check "$name prints one line that names ${1%%=*}" one_line_naming "${1%%=*}"
  done
}
check_rejected BIND="127.0.0.1:$redis_port" # the port is in use
check_rejected BIND=nowhere
check_rejected SESSION_STORE=foo://x
check_rejected SESSION_TTL=abc
check_rejected SESSION_FORMAT=xml
check_rejected SESSION_PRINCIPAL_FIELD=userid # the services use `account`
summary
