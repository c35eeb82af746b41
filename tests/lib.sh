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

# Twenty ports below the range of ephemeral ports, so that no outgoing connection takes one. The lock keeps them from other
# scripts until this one and its processes end. The tests in Rust take lower ports.
ports=${TMPDIR:-/tmp}/shared-session-ports
mkdir -p "$ports"
chmod 777 "$ports" 2>/dev/null || true # for other users
until
  first_port=$((20000 + RANDOM % 500 * 20))
  [[ -e $ports/$first_port ]] || : >"$ports/$first_port"
  exec {ports_lock}<"$ports/$first_port" && flock --nonblock "$ports_lock"
do exec {ports_lock}<&-; done
echo "$first_port" >"$tmp/next_port"

# Prints one of these ports on which nobody listens.
free_port() {
  local port
  port=$(<"$tmp/next_port")
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo $((port + 1)) >"$tmp/next_port"
  echo "$port"
}

# start NAME COMMAND...: runs the command in the background, with its output in $tmp/NAME.log.
start() {
  local name=$1; shift
  "$@" >>"$tmp/$name.log" 2>&1 &
  pids[$name]=$!
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
  eventually 20 redis_responds "$1"
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
