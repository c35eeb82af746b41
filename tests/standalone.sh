#!/usr/bin/env bash
# Both services in one process, as `cargo run` starts them: with sessions in memory, with Redis, and with settings it must refuse.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
build
redis_port=$(free_port) port=$(free_port)
start_redis "$redis_port"

for store in memory: "redis://127.0.0.1:$redis_port/0"; do
  echo "## standalone with SESSION_STORE=$store"
  start standalone env BIND="127.0.0.1:$port" SESSION_STORE="$store" "$bin/standalone"
  check "it starts" eventually 20 answers "http://127.0.0.1:$port/healthz"
  check "it is ready" answers "http://127.0.0.1:$port/readyz"
  check "its health check finds it" env BIND="127.0.0.1:$port" "$bin/standalone" healthcheck
  check "tests/integration.sh" tests/integration.sh "http://127.0.0.1:$port"
  check "it stops at SIGTERM, with status 0" stop standalone
  check "its health check says that it is gone" not env BIND="127.0.0.1:$port" "$bin/standalone" healthcheck
done

echo "## settings that are refused"
one_line_naming() { [[ $(wc -l <"$tmp/err") == 1 && ! -s $tmp/out ]] && grep -qF -- "$1" "$tmp/err"; }
details() { echo "status $status"; cat "$tmp/out" "$tmp/err"; }
refused() { # VARIABLE=VALUE
  local name
  for name in standalone user-service task-service; do
    status=0
    timeout 10 env "$1" "$bin/$name" >"$tmp/out" 2>"$tmp/err" || status=$?
    check "$name $1: not started" [ "$status" -gt 0 -a "$status" -lt 124 ]
    check "$name $1: one line, which names ${1%%=*}" one_line_naming "${1%%=*}"
  done
}
refused BIND="127.0.0.1:$redis_port" # taken
refused BIND=nowhere
refused SESSION_STORE=foo://x
refused SESSION_TTL=abc
refused SESSION_FORMAT=xml
refused SESSION_PRINCIPAL_FIELD=user # the services write userid
summary
