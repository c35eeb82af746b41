# shellcheck shell=bash
# Functions for the test scripts: checks, background processes, ports. To be sourced. Provides the directory $tmp, and
# stops all processes and removes the directory when the script exits.
export LC_ALL=C
tmp=$(mktemp -d)
chmod 755 "$tmp" # servers that drop root privileges need access
declare -A pids=()
passed=0 failed=0

ok() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
not() { ! "$@"; }

# check NAME COMMAND...: prints one line. If the command fails, also prints the output of `details`, if the script defines it.
check() {
  local name=$1; shift
  if "$@"; then ok "$name"; else
    fail "$name"
    if declare -F details >/dev/null; then details | sed 's/^/     /'; fi
  fi
}
summary() { echo "$passed passed, $failed failed"; ((failed == 0)); }

# eventually SECONDS COMMAND...: repeats the command until it succeeds or the time is over.
eventually() {
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || return 1; sleep 0.2; done
}
responds() { curl -fs --max-time 5 -o /dev/null "$@"; }

# reserve_ports VARIABLE...: assigns to each variable a port on which nobody listens. No other test gets it before this script and the
# processes that it started have ended. The ports are below the ephemeral ones, so no outgoing connection takes them. The library's
# tests use the same folder of locks, and ports below these.
reserve_ports() {
  local folder=${TMPDIR:-/tmp}/shared-session-ports variable number lock
  if mkdir "$folder" 2>/dev/null; then chmod 777 "$folder"; fi
  for variable; do
    while true; do
      number=$((RANDOM % 10000 + 20000))
      # another user's file can only be read, which is enough for a lock
      { exec {lock}<"$folder/$number" || exec {lock}>"$folder/$number"; } 2>/dev/null
      if flock -n "$lock" && not listens "$number"; then break; fi
      exec {lock}<&-
    done
    printf -v "$variable" %s "$number"
  done
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME COMMAND...: runs the command in the background, with its output in $tmp/NAME.log.
start() {
  local name=$1; shift
  "$@" >>"$tmp/$name.log" 2>&1 &
  pids[$name]=$!
}
# comes_up NAME SECONDS COMMAND...: waits until the command succeeds. If the process ends before, prints its output at once.
comes_up() {
  local name=$1 end=$((SECONDS + $2)); shift 2
  until "$@"; do
    if ((SECONDS >= end)) || not kill -0 "${pids[$name]}" 2>/dev/null; then
      echo "$name does not come up:"
      tail -n 30 "$tmp/$name.log"
      return 1
    fi
    sleep 0.2
  done
}
# stop NAME [SIGNAL]: stops the command and returns its exit status.
stop() {
  local pid=${pids[$1]}
  unset "pids[$1]"
  kill -s "${2:-TERM}" "$pid"
  wait "$pid"
}

start_redis() { # PORT OPTION...: uses the repository's configuration, so that the tests cover what is deployed
  mkdir -p "$tmp/data"
  start redis redis-server redis/redis.conf --bind 127.0.0.1 --port "$1" --dir "$tmp/data" "${@:2}"
  comes_up redis 20 redis_responds "$1"
}
redis_responds() { [[ $(redis-cli -p "$1" ping 2>/dev/null) == @(PONG|NOAUTH*) ]]; }

# shellcheck disable=SC2034 # for the scripts that source this file
build() { cargo build --workspace --locked; bin=${CARGO_TARGET_DIR:-target}/debug; }

cleanup() {
  local status=$? log
  set +e
  if declare -F teardown >/dev/null; then teardown $((status || failed)); fi
  ((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null
  wait
  if ((status || failed)); then
    for log in "$tmp"/*.log; do
      if [[ -s $log ]]; then echo "--- the end of ${log##*/}"; tail -n 30 "$log"; fi
    done
  fi >&2
  rm -rf "$tmp"
}
trap cleanup EXIT

# A well-formed session id that no store has issued.
unissued=$(printf '01234567%.0s' {1..6})

# for_each_invalid_cookie COOKIE_NAME COMMAND...: calls the command with a description and curl's options for each cookie.
for_each_invalid_cookie() {
  local name=$1 id=$unissued; shift
  "$@" "a cookie of 8 KB" -H "Cookie: $name=$(printf 'a%.0s' {1..8192})"
  "$@" "a cookie in UTF-8" -H "Cookie: $name=홍길동"
  "$@" "a cookie that is not valid UTF-8" -H "Cookie: $name="$'\xff\xfe\x80'
  "$@" "an empty cookie" -H "Cookie: $name="
  "$@" "an id with an invalid character" -H "Cookie: $name=!${id:1}"
  "$@" "an id of the wrong length" -H "Cookie: $name=${id}0"
  "$@" "a file path as the id" -H "Cookie: $name=../../../../etc/passwd"
  "$@" "an id that was never issued" -H "Cookie: $name=$id"
  "$@" "two cookies of the same name" -H "Cookie: $name=$id; $name=${id/0/1}"
  "$@" "two cookies of the same name, in two headers" -H "Cookie: $name=$id" -H "Cookie: $name=${id/0/1}"
}
