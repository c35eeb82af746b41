#!/usr/bin/env bash
# Tests what docs/deployment.md says about a killed Redis, a power cut, backups, a full Redis and a full disk, on the real Redis and
# the services. A power cut is simulated by cutting off the end of the append-only file.
# shellcheck disable=SC2119 # arguments are optional
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
user=http://127.0.0.1:$user_port
password='battery horse 1'

request() { status=$(curl -sS --max-time 10 -H 'Sec-Fetch-Site: same-origin' -D "$tmp/head" -o "$tmp/body" -w '%{http_code}' "$@") || true; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; tail -n 3 "$tmp/redis.log"; }
responds_with() { request "${@:2}"; [[ $status == "$1" ]]; } # STATUS CURL_OPTION...
sign_in() { # STATUS JAR
  responds_with "$1" -c "$2" -d id=anna --data-urlencode "password=$password" "$user/user/login"
}
signed_in() { responds_with 200 -b "$1" -c "$1" "$user/user/sessions"; } # JAR
has_ended() { responds_with 303 -b "$1" -c "$1" "$user/user/sessions"; } # JAR: redirected to the sign-in
signs_out() { responds_with 303 -b "$1" -c "$1" -X POST "$user/user/logout"; } # JAR
ready() { responds_with 200 "$user/readyz"; }
not_ready() { responds_with 503 "$user/readyz"; }
logged() { grep -qF "$2" "$tmp/$1.log"; } # NAME TEXT
aof() { find "$tmp/data/appendonlydir" -name '*.incr.aof' | sort | tail -n 1; }
# Whether 30 requests get 503, and are three log lines at most.
is_quiet() { # CURL_OPTION...
  local before
  before=$(wc -l <"$tmp/user-service.log")
  for _ in {1..30}; do responds_with 503 "$@" || return 1; done
  (($(wc -l <"$tmp/user-service.log") - before <= 3))
}
kill_redis() { stop redis KILL 2>/dev/null || true; }
restart() { start_store && eventually 20 ready; }

make_secrets
start_store
start_service user-service "$user_port"
check "a user registers" responds_with 303 -d id=anna -d name=Anna --data-urlencode "password=$password" "$user/user/register"

echo "## Redis is killed"
check "a user signs in" sign_in 303 "$tmp/one"
kill_redis
check "requests with a session get 503" responds_with 503 -b "$tmp/one" "$user/user/sessions"
check "they are not one log line each" is_quiet -b "$tmp/one" "$user/user/sessions"
check "Redis starts again" restart
check "a change that was answered as done survives a kill" eventually 5 signed_in "$tmp/one"

echo "## power cut"
cp "$tmp/one" "$tmp/before"
check "a user signs out" signs_out "$tmp/one"
kill_redis
size=$(stat -c %s "$(aof)")
# the end of the file never reached the disk: half of the sign-out's last command, and all before it back to the sign-in
check "the append-only file has the sign-out" [ "$size" -gt 200 ]
end=$(grep -abo 'EVALSHA\|EVAL\|DEL\|del' "$(aof)" | tail -n 1 | cut -d : -f 1)
truncate -s $((end + 2)) "$(aof)"
check "Redis starts with a cut append-only file" restart
check "it logs that" logged redis 'Truncating the AOF'
check "the sign-out of the last second is undone" signed_in "$tmp/before"

echo "## damaged append-only file"
backup() { SERVERS=127.0.0.1:$redis_port redis/backup.sh "$secrets" >"$1" 2>>"$tmp/backup.log"; } # FILE
restore() { redis/restore.sh "$tmp/data" <"$1" 2>>"$tmp/restore.log"; } # FILE
check "a running Redis is backed up" backup "$tmp/backup.rdb"
kill_redis
check "without Redis a backup fails" not backup "$tmp/none.rdb"
printf 'damage' | dd of="$(aof)" bs=1 seek=40 conv=notrunc status=none
start damaged redis-server redis/redis.conf --bind 127.0.0.1 --port "$redis_port" --dir "$tmp/data" --aclfile "$tmp/users.acl"
check "Redis refuses to start with a damaged append-only file" eventually 10 logged damaged 'Bad file format'
unset 'pids[damaged]'
yes | redis-check-aof --fix "$tmp/data/appendonlydir/appendonly.aof.manifest" >"$tmp/check-aof.log" 2>&1 || true
check "Redis starts after redis-check-aof --fix" restart
check "all that came after the damage is lost" has_ended "$tmp/before"
kill_redis
check "a backup is not restored over data" not restore "$tmp/backup.rdb"
mv "$tmp/data" "$tmp/lost" && mkdir "$tmp/data"
head -c -9 "$tmp/backup.rdb" >"$tmp/damaged.rdb"
check "a damaged backup is not restored" not restore "$tmp/damaged.rdb"
check "a backup is restored" restore "$tmp/backup.rdb"
check "Redis starts with the backup" restart
check "the session of the backup exists" signed_in "$tmp/before"

echo "## Redis is full"
check "a user signs in on two devices" eval 'sign_in 303 "$tmp/one" && sign_in 303 "$tmp/two" && signed_in "$tmp/one"'
admin config set maxmemory 1mb >/dev/null
check "/readyz says that user-service is not ready" not_ready
check "sessions can still be used" signed_in "$tmp/one"
check "a sign-in gets 503" sign_in 503 "$tmp/three"
check "refused requests are not one log line each" is_quiet "$user/user/redis_session_set"
check "a user can still sign out" signs_out "$tmp/two"
check "the session has ended" has_ended "$tmp/two"
check "the log has Redis's error code" logged user-service OOM
request "$user/metrics"
check "/metrics counts the refused operations" grep -qE 'duration_seconds_count\{.*error_type="refused"\} [1-9]' "$tmp/body"
check "/metrics: the circuit breaker stays closed" grep -qx 'session_circuit_breaker_open 0' "$tmp/body"
check "Redis evicted nothing" grep -q '^evicted_keys:0' <(admin info stats)
admin config set maxmemory 256mb >/dev/null
check "user-service is ready when there is room again" eventually 5 ready
check "a sign-in succeeds" sign_in 303 "$tmp/three"

echo "## the disk is full"
kill_redis
trap '' XFSZ # Redis inherits it: then a write beyond the limit fails, and does not end Redis
check "Redis starts again" restart
trap - XFSZ
# the limit of a file's size stands for the size of the disk. It applies to Redis alone: the output of this script may be a file, too
prlimit --pid "${pids[redis]}" --fsize="$(($(stat -c %s "$(aof)") + 65536)):"
fill() {
  local value
  value=$(printf 'a%.0s' {1..20000})
  for _ in {1..20}; do admin set filler "$value"; done
}
fill >"$tmp/fill"
check "Redis refuses writes" grep -q MISCONF "$tmp/fill"
check "/readyz says that user-service is not ready" not_ready
check "requests with a session get 503" responds_with 503 -b "$tmp/one" "$user/user/sessions"
check "the response does not change the cookie" not grep -qi '^set-cookie' "$tmp/head"
check "requests without a session are served" responds_with 200 "$user/user/"
check "the log has Redis's error code" logged user-service MISCONF
prlimit --pid "${pids[redis]}" --fsize=unlimited:
check "user-service is ready when there is room again" eventually 5 ready
check "the session still exists" signed_in "$tmp/one"
summary
