#!/usr/bin/env bash
# Tests the Redis ACL that redis/secrets.sh writes: runs commands on a real Redis as each of its users.
# shellcheck disable=SC2119 # arguments are optional
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh

password() { if [[ $1 == health ]]; then echo any; else cat "$secrets/$1/redis"; fi; }
passwords() { cat "$secrets"/*/redis; }
run_as() { reply=$(redis_as "$1" "$(password "$1")" "${@:2}"); } # USER COMMAND...: sets $reply
details() { echo "${reply:-}"; }
replies() { run_as "${@:2}" && [[ $reply == "$1" ]]; } # REPLY USER COMMAND...
denied() { run_as "$@" || true; [[ $reply =~ NOPERM|$denied_in_script ]]; } # USER COMMAND...
denied_in_script="The user executing the script can't|ACL failure in script" # the messages of Redis 7 and Redis 8
wrong_password() { reply=$(redis_as "$1" "$2" ping || true); [[ $reply == *WRONGPASS* && $reply == *NOAUTH* ]]; } # USER PASSWORD
# Prints the commands of a user that Redis counts among the categories `dangerous` and `admin`.
dangerous_commands() { grep -xF -f <(admin acl cat dangerous; admin acl cat admin) <(allowed_commands "$1"); } # USER
allowed_commands() { admin acl getuser "$1" | grep -A 1 -x commands | tr ' ' '\n' | sed -n 's/^+//p'; } # USER
fails_with() { # MESSAGE ENVIRONMENT_AND_COMMAND...: whether secrets.sh fails with one line that contains the message
  reply=$(env "${@:2}" 2>&1) && return 1
  [[ $reply == "secrets.sh: "*"$1"* && $reply != *$'\n'* ]]
}

echo "## passwords"
make_secrets
check "there are seven passwords" [ "$(passwords | wc -l)" = 7 ]
check "they are different" [ "$(passwords | sort -u | wc -l)" = 7 ]
check "each has 256 bits" not grep -qvxE '[0-9a-f]{64}' <(passwords)
check "the ACL file contains none of them" no_password_in "$secrets/redis/users.acl"
before=$(passwords) acl=$(cat "$secrets/redis/users.acl")
make_secrets
check "a second run keeps the passwords" [ "$(passwords)" = "$before" ]
check "a second run keeps the ACL file" [ "$(cat "$secrets/redis/users.acl")" = "$acl" ]
check "an unknown service is rejected" fails_with 'unknown service: nobody' redis/secrets.sh "$secrets" nobody
for prefix in '' 'a b' é us user: task:sessions:; do
  check "SESSION_KEY_PREFIX='$prefix' is rejected" fails_with SESSION_KEY_PREFIX: SESSION_KEY_PREFIX="$prefix" redis/secrets.sh "$secrets"
done
check "a rejected run changes nothing" [ "$(passwords; cat "$secrets/redis/users.acl")" = "$before"$'\n'"$acl" ]

echo "## permissions"
check "Redis starts with the ACL file" start_store --enable-debug-command yes # so that only the ACL can deny DEBUG
check "health: PING is allowed" replies PONG health ping
for command in ping 'get session:a' info 'client list' command; do
  # shellcheck disable=SC2086 # split into words
  check "without a user: ${command^^} is denied" grep -q NOAUTH <(redis-cli -p "$redis_port" $command 2>&1)
  # shellcheck disable=SC2086 # split into words
  [[ $command == ping ]] || check "health: ${command^^} is denied" denied health $command
done
check "default: cannot authenticate" wrong_password default any
set_if="if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', 9000) return 1 end return 0"
for user in user-service task-service python node; do
  case $user in
    user-service) own=user:a others=task:a ;;
    task-service) own=task:a others=user:a ;;
    *) own= others="user:a task:a task:list:a" ;;
  esac
  check "$user: another service's password is rejected" wrong_password "$user" "$(password php)"
  check "$user: an empty password is rejected" wrong_password "$user" ''
  check "$user: PING is allowed" replies PONG "$user" ping
  for key in session:a $own; do
    admin del "$key" >/dev/null
    check "$user: SET $key is allowed" replies OK "$user" set "$key" 1 NX PX 9000
    check "$user: GETEX $key is allowed" replies 1 "$user" getex "$key" PX 9000
    check "$user: a script that replaces $key is allowed" replies 1 "$user" eval "$set_if" 1 "$key" 1 2
    check "$user: DEL $key is allowed" replies 1 "$user" del "$key"
  done
  check "$user: ZADD session:z is allowed" replies 1 "$user" zadd session:z 1 a
  check "$user: TIME is allowed" not denied "$user" time
  check "$user: CLIENT TRACKING is allowed" not denied "$user" client tracking on noloop
  admin del session:z >/dev/null
  for key in $others elsewhere session "${user%-service}"; do
    check "$user: GET $key is denied" denied "$user" get "$key"
    check "$user: SET $key is denied" denied "$user" set "$key" 1
    check "$user: DEL $key is denied beside a permitted key" denied "$user" del session:a "$key"
    check "$user: a script that reads $key is denied" denied "$user" eval "return redis.call('GET', KEYS[1])" 1 "$key"
    check "$user: a script that does not declare $key is denied" denied "$user" eval "return redis.call('GET', '$key')" 0
  done
  check "$user: a script with FLUSHALL is denied" denied "$user" eval "return redis.call('FLUSHALL')" 0
  check "$user: a script with KEYS is denied" denied "$user" eval "return redis.call('KEYS', '*')" 0
done
check "task-service: HSET task:h is allowed" replies 1 task-service hset task:h field value
check "task-service: HGET task:h is allowed" replies value task-service hget task:h field
for command in 'get task:list:a' 'set task:list:a 1' 'hgetall task:list:a' 'pexpire task:list:a 1' 'del task:other'; do
  # shellcheck disable=SC2086 # split into words
  check "user-service: ${command^^} is denied" denied user-service $command
done
admin hset task:list:a id task >/dev/null
check "user-service: DEL task:list:a is allowed, with the account of the user" replies 1 user-service del task:list:a
admin zadd session:index:a 9 member >/dev/null
for command in 'zrange session:index:a 0 9 rev' 'zrem session:index:a member' 'get user:account:a' 'del user:account:a' 'del user:attempts:a'; do
  # shellcheck disable=SC2086 # split into words
  check "user-service: ${command^^} is allowed, for the commands of operators" not denied user-service $command
done
peek="return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"
check "user-service: a script that reads a session and its expiry is allowed" not denied user-service eval "$peek" 1 session:a
check "user-service: HSET user:h is denied" denied user-service hset user:h field value
admin del task:h >/dev/null
check "php: SETEX is allowed" replies OK php setex session:a 9 1
check "php: GET is allowed" replies 1 php get session:a
check "php: DEL is allowed" replies 1 php del session:a
for key in user:a task:a elsewhere; do check "php: GET $key is denied" denied php get "$key"; done
check "php: EVAL is denied" denied php eval 'return 1' 0
check "php: another service's password is rejected" wrong_password php "$(password user-service)"
set -f # split commands into words, but do not expand `*`
for command in ping 'info memory' 'info commandstats' dbsize 'slowlog len' 'slowlog get 1' 'latency latest' 'latency history command' 'latency histogram' 'latency doctor'; do
  # shellcheck disable=SC2086 # split into words
  check "monitor: ${command^^} is allowed" not denied monitor $command
done
for command in 'get session:a' 'getex session:a' 'set session:a 1' 'del session:a' 'exists session:a' 'type session:a' 'object freq session:a' \
  'memory usage session:a' 'eval 1 0' 'keys *' 'scan 0' randomkey flushall 'slowlog reset' 'latency reset' 'config get *' 'config resetstat' \
  monitor 'client list' 'acl list' 'publish a b' 'debug sleep 0' shutdown; do
  # shellcheck disable=SC2086 # split into words
  check "monitor: ${command^^} is denied" denied monitor $command
done
for user in user-service task-service python node php; do
  for command in 'keys *' 'scan 0' randomkey dbsize flushall flushdb 'swapdb 0 1' 'select 1' 'config get *' 'config set save 1' 'debug sleep 0' \
    shutdown save bgsave 'replicaof no one' 'acl list' 'acl whoami' 'acl setuser php on' monitor info 'client list' 'client kill type normal' \
    'script flush' 'function list' 'module list' 'subscribe a' 'publish a b' 'rename session:a session:b' 'copy session:a session:b' \
    'dump session:a' 'object encoding session:a' 'migrate h 1 session:a 0 1' 'sort session:a' 'command count' 'latency reset' 'slowlog get'; do
    # shellcheck disable=SC2086 # split into words
    check "$user: ${command^^} is denied" denied "$user" $command
  done
  check "$user: has no command that Redis calls dangerous" [ -z "$(dangerous_commands "$user")" ]
done
set +f
check "the previous check finds a dangerous command" [ -n "$(admin acl setuser bad +keys >/dev/null; dangerous_commands bad)" ]

for command in 'get session:a' 'set session:a 1' 'keys a' 'config set save 1' 'config get dir' 'acl list' 'acl setuser php on' shutdown monitor 'eval 1 0'; do
  # shellcheck disable=SC2086 # split into words
  check "operator: ${command^^} is denied" denied operator $command
done

echo "## restart"
# The append-only file holds a script's writes as a transaction, which Redis replays as the user `default`.
index="redis.call('ZADD', KEYS[1], redis.call('TIME')[1], 'a') redis.call('PEXPIRE', KEYS[1], 90000) return 1"
check "a script creates an index" replies 1 user-service eval "$index" 1 session:index
stop redis || true
check "Redis starts again" start_store
check "the index still exists" replies a task-service zrange session:index 0 -1
check "Redis denied no command" [ -z "$(denied_commands)" ]

echo "## with Sentinels"
check "without SENTINELS there is no user for replication" not grep -qE 'replication|[+]wait' "$secrets/redis/users.acl"
stop redis || true
reserve_ports sentinel_port
SENTINELS=127.0.0.1:$sentinel_port make_secrets
check "there are nine passwords" [ "$(passwords | sort -u | wc -l)" = 9 ]
check "neither ACL file contains one of them" no_password_in "$secrets/redis/users.acl" "$secrets/sentinels/users.acl"
check "Redis starts with the ACL file" start_store --enable-debug-command yes
check "sentinel: ROLE is allowed" grep -qx master <(run_as sentinel role; echo "$reply")
check "user-service: WAIT is allowed" replies 0 user-service wait 0 1
check "php: WAIT is denied" denied php wait 0 1
set -f # split commands into words, but do not expand `*`
for user in replication sentinel; do
  for command in 'get session:a' 'set session:a 1' 'keys *' flushall 'config get *' 'config set save 1' 'acl list' shutdown monitor 'eval 1 0'; do
    # shellcheck disable=SC2086 # split into words
    check "$user: ${command^^} is denied" denied "$user" $command
  done
done
check "operator: CONFIG SET is allowed" replies OK operator config set masterauth x
check "replication: REPLICAOF is denied" denied replication replicaof no one
check "sentinel: PSYNC is denied" denied sentinel psync ? -1
check "sentinel: another channel is denied" denied sentinel publish elsewhere a
set +f
stop redis || true
printf 'sentinel monitor mymaster 127.0.0.1 %s 2\n' "$redis_port" >"$tmp/sentinel.conf"
start sentinel redis-server "$tmp/sentinel.conf" --sentinel --bind 127.0.0.1 --port "$sentinel_port" --aclfile "$secrets/sentinels/users.acl"
check "a Sentinel starts with its ACL file" comes_up sentinel 20 redis_responds "$sentinel_port"
on_sentinel() { redis_port=$sentinel_port "$@"; }
check "user-service: the primary's address is allowed" on_sentinel replies "127.0.0.1"$'\n'"$redis_port" user-service sentinel get-master-addr-by-name mymaster
for command in 'sentinel failover mymaster' 'sentinel set mymaster quorum 1' 'sentinel remove mymaster' 'sentinel masters' 'sentinel config get *' \
  'publish __sentinel__:hello a' 'subscribe __sentinel__:hello' 'acl list' shutdown info; do
  set -f
  # shellcheck disable=SC2086 # split into words
  check "user-service: ${command^^} is denied by a Sentinel" on_sentinel denied user-service $command
  set +f
done
old=$(password sentinel)
change_sentinel() { SENTINELS=127.0.0.1:$sentinel_port redis/secrets.sh "$secrets" sentinel >>"$tmp/secrets.log"; }
check "the password of the Sentinels is changed" change_sentinel
check "the new password is accepted without a restart" on_sentinel replies PONG sentinel ping
check "the old password is rejected" on_sentinel wrong_password sentinel "$old"
check "the Sentinel uses the new password" grep -qxF "sentinel sentinel-pass $(password sentinel)" "$tmp/sentinel.conf"
stop sentinel || true

echo "## another key prefix"
SESSION_KEY_PREFIX='a*b[c]?\:' make_secrets
start_store
check "a key with the prefix is allowed" replies OK php setex 'a*b[c]?\:x' 9 1
for key in 'aXb[c]?\:x' 'a*bc?\:x' 'a*b[c]X\:x' session:x; do check "$key is denied" denied php get "$key"; done

echo "## a new password"
old=$(password user-service) others=$(cat "$secrets"/{task-service,python,node,php}/redis)
stop redis || true
rm "$secrets/redis/users.acl"
redis/secrets.sh "$secrets" >>"$tmp/secrets.log"
start_redis "$redis_port" --aclfile "$secrets/redis/users.acl"
reserve_ports other_port
start other redis-server --port "$other_port" --bind 127.0.0.1 --save '' # does not know the user `operator`
comes_up other 20 redis_responds "$other_port"
check "a change stops at a server that refuses to load the file" \
  fails_with "127.0.0.1:$other_port: " SERVERS="127.0.0.1:$redis_port 127.0.0.1:$other_port" redis/secrets.sh "$secrets" user-service
check "the service keeps its password" [ "$(password user-service)" = "$old" ]
check "the password is accepted" replies PONG user-service ping
check "the password that would replace it is accepted, too" \
  [ "$(redis_as user-service "$(cat "$secrets/user-service/redis.new")" ping)" = PONG ]
stop other || true
change_passwords() { SERVERS="127.0.0.1:$redis_port 127.0.0.1:$other_port" redis/secrets.sh "$secrets" "$@" >>"$tmp/secrets.log"; } # SERVICE...
check "a server that does not run is no obstacle" change_passwords user-service operator
check "the service has a new password" [ "$(password user-service)" != "$old" ]
check "the other services keep theirs" [ "$(cat "$secrets"/{task-service,python,node,php}/redis)" = "$others" ]
check "the new password is accepted without a restart" replies PONG user-service ping
check "the old password is rejected" wrong_password user-service "$old"
check "a permission changes without a restart" eval 'SESSION_KEY_PREFIX=visit: change_passwords'
check "a key with the other prefix is allowed" replies OK php setex visit:x 9 1
check "no log contains a password" no_password_in "$tmp"/*.log
summary
