# shellcheck shell=bash
# What the test scripts share; sourced, not run. Whoever sources it has a directory $tmp, and leaves nothing behind.
export LC_ALL=C
tmp=$(mktemp -d)
chmod 755 "$tmp" # a server that gives up root still has to enter
declare -A pids=()
passed=0 failed=0

ok() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
not() { ! "$@"; }

# check WHAT COMMAND...: one line per check; a script that defines `details` shows there what it saw instead.
check() {
  local what=$1; shift
  if "$@"; then ok "$what"; else
    fail "$what"
    if declare -F details >/dev/null; then details | sed 's/^/     /'; fi
  fi
}
summary() { echo "$passed passed, $failed failed"; ((failed == 0)); }

# eventually SECONDS COMMAND...: succeeds as soon as the command does.
eventually() {
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || return 1; sleep 0.2; done
}
answers() { curl -fs --max-time 5 -o /dev/null "$@"; }

# Below the range that outgoing connections take theirs from.
free_port() {
  local port
  while port=$((RANDOM % 10000 + 20000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

# start NAME COMMAND...: in the background, its output in $tmp/NAME.log; stop NAME [SIGNAL] gives its exit status.
start() {
  local name=$1; shift
  "$@" >>"$tmp/$name.log" 2>&1 &
  pids[$name]=$!
}
stop() {
  local pid=${pids[$1]}
  unset "pids[$1]"
  kill -s "${2:-TERM}" "$pid"
  wait "$pid"
}

start_redis() { # PORT OPTION...: with the repository's own configuration, so that what is tested is what is deployed
  mkdir -p "$tmp/data"
  start redis redis-server redis/redis.conf --bind 127.0.0.1 --port "$1" --dir "$tmp/data" "${@:2}"
  eventually 20 pong "$1"
}
pong() { [[ $(redis-cli -p "$1" ping 2>/dev/null) == @(PONG|NOAUTH*) ]]; } # it is there, whether or not for everybody

# shellcheck disable=SC2034 # for whoever sources this
build() { cargo build --workspace --locked; bin=${CARGO_TARGET_DIR:-target}/debug; }

tidy() {
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
trap tidy EXIT

# Well-formed, but no store has made it.
unissued=$(printf '0123456789%.0s' {1..4})

# each_bad_cookie COOKIE_NAME COMMAND...: calls the command with what the cookie is and with curl's options for it.
each_bad_cookie() {
  local name=$1 id=$unissued; shift
  "$@" "a cookie of 8 KB" -H "Cookie: $name=$(printf 'a%.0s' {1..8192})"
  "$@" "a cookie in UTF-8" -H "Cookie: $name=홍길동"
  "$@" "a cookie of bytes that are no text" -H "Cookie: $name="$'\xff\xfe\x80'
  "$@" "an empty cookie" -H "Cookie: $name="
  "$@" "an id in the wrong alphabet" -H "Cookie: $name=!${id:1}"
  "$@" "an id of the wrong length" -H "Cookie: $name=${id}0"
  "$@" "a path for an id" -H "Cookie: $name=../../../../etc/passwd"
  "$@" "an id that was never issued" -H "Cookie: $name=$id"
  "$@" "the same name twice" -H "Cookie: $name=$id; $name=${id/0/1}"
  "$@" "the same name twice, in two headers" -H "Cookie: $name=$id" -H "Cookie: $name=${id/0/1}"
}
