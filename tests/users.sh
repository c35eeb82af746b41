#!/usr/bin/env bash
# Who may do what in Redis: the list that redis/secrets.sh writes, asked of a real Redis as each of its users.
# shellcheck disable=SC2119 # arguments may be none
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh

password() { if [[ $1 == health ]]; then echo any; else cat "$secrets/$1/redis"; fi; }
passwords() { cat "$secrets"/*/redis; }
as() { answer=$(redis_as "$1" "$(password "$1")" "${@:2}"); } # USER COMMAND...: leaves $answer
details() { echo "${answer:-}"; }
is() { as "${@:2}" && [[ $answer == "$1" ]]; } # ANSWER USER COMMAND...
may_not() { as "$@" || true; [[ $answer =~ NOPERM|$in_a_script ]]; } # USER COMMAND...
in_a_script="The user executing the script can't|ACL failure in script" # as Redis 7 says it, and Redis 8
wrong_password() { answer=$(redis_as "$1" "$2" get session:a || true); [[ $answer == *WRONGPASS* && $answer == *NOAUTH* ]]; } # USER PASSWORD
# What a user's list has of what Redis itself calls dangerous or an administrator's.
grave() { grep -xF -f <(admin acl cat dangerous; admin acl cat admin) <(allowed "$1"); }
allowed() { admin acl getuser "$1" | grep -A 1 -x commands | tail -n 1 | tr ' ' '\n' | sed -n 's/^+//p'; }
refused() { # SENTENCE ENVIRONMENT_AND_COMMAND...
  answer=$(env "${@:2}" 2>&1) && return 1
  [[ $answer == "secrets.sh: "*"$1"* && $answer != *$'\n'* ]]
}
prefixes() { # PREFIX: that sessions have
  stop redis || true
  SESSION_KEY_PREFIX=$1 make_secrets
  start_store
}

echo "## passwords"
make_secrets
check "there are three" [ "$(passwords | wc -l)" = 3 ]
check "no two the same" [ "$(passwords | sort -u | wc -l)" = 3 ]
check "each of 256 bits" not grep -qvxE '[0-9a-f]{64}' <(passwords)
check "Redis's list has none of them" no_password_in "$secrets/redis/users.acl"
before=$(passwords) list=$(cat "$secrets/redis/users.acl")
make_secrets
check "a second run keeps them" [ "$(passwords)" = "$before" ]
check "and the list" [ "$(cat "$secrets/redis/users.acl")" = "$list" ]
check "a service that is none is refused" refused 'there is no service nobody' redis/secrets.sh "$secrets" nobody
for prefix in '' 'a b' é us user: task:sessions:; do
  check "SESSION_KEY_PREFIX='$prefix' is refused" refused SESSION_KEY_PREFIX: SESSION_KEY_PREFIX="$prefix" redis/secrets.sh "$secrets"
done
check "what is refused changes nothing" [ "$(passwords; cat "$secrets/redis/users.acl")" = "$before"$'\n'"$list" ]

echo "## who may do what"
check "Redis starts with the list" start_store --enable-debug-command yes # so that it is the list that refuses DEBUG
check "health: PING" is PONG health ping
for command in ping 'get session:a' info 'client list' command; do
  # shellcheck disable=SC2086 # words
  check "without a name: not ${command^^}" grep -q NOAUTH <(redis-cli -p "$redis_port" $command 2>&1)
  # shellcheck disable=SC2086 # words
  [[ $command == ping ]] || check "health: not ${command^^}" may_not health $command
done
check "nobody is default" wrong_password default any
set_if="if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', 9000) return 1 end return 0"
for user in user-service task-service; do
  own=${user%-service}: other=task:
  [[ $user == user-service ]] || other=user:
  check "$user: its password, and no other" wrong_password "$user" "$(password php)"
  check "$user: not without one" wrong_password "$user" ''
  check "$user: PING" is PONG "$user" ping
  for key in session:a "${own}a"; do
    admin del "$key" >/dev/null
    check "$user: SET $key" is OK "$user" set "$key" 1 NX PX 9000
    check "$user: GETEX $key" is 1 "$user" getex "$key" PX 9000
    check "$user: a script that replaces $key" is 1 "$user" eval "$set_if" 1 "$key" 1 2
    check "$user: DEL $key" is 1 "$user" del "$key"
  done
  check "$user: ZADD session:z" is 1 "$user" zadd session:z 1 a
  admin del session:z >/dev/null
  for key in "${other}a" elsewhere session "${own%:}"; do
    check "$user: not GET $key" may_not "$user" get "$key"
    check "$user: not SET $key" may_not "$user" set "$key" 1
    check "$user: not DEL $key, beside one of its own" may_not "$user" del session:a "$key"
    check "$user: no script with $key" may_not "$user" eval "return redis.call('GET', KEYS[1])" 1 "$key"
    check "$user: no script that hides $key" may_not "$user" eval "return redis.call('GET', '$key')" 0
  done
  check "$user: no script that does what it may not" may_not "$user" eval "return redis.call('FLUSHALL')" 0
  check "$user: nor one that lists keys" may_not "$user" eval "return redis.call('KEYS', '*')" 0
done
check "task-service: HSET task:h" is 1 task-service hset task:h field value
check "task-service: HGET task:h" is value task-service hget task:h field
check "user-service: no HSET, which it has no use for" may_not user-service hset user:h field value
admin del task:h >/dev/null
check "php: SETEX" is OK php setex session:a 9 1
check "php: GET" is 1 php get session:a
check "php: DEL" is 1 php del session:a
for key in user:a task:a elsewhere; do check "php: not GET $key" may_not php get "$key"; done
check "php: no scripts" may_not php eval 'return 1' 0
check "php: its password, and no other" wrong_password php "$(password user-service)"
set -f # the commands are split into words, and no more
for user in user-service task-service php; do
  for command in 'keys *' 'scan 0' randomkey dbsize flushall flushdb 'swapdb 0 1' 'select 1' 'config get *' 'config set save 1' 'debug sleep 0' \
    shutdown save bgsave 'replicaof no one' 'acl list' 'acl whoami' 'acl setuser php on' monitor info 'client list' 'client kill type normal' \
    'script flush' 'function list' 'module list' 'subscribe a' 'publish a b' 'rename session:a session:b' 'copy session:a session:b' \
    'dump session:a' 'object encoding session:a' 'migrate h 1 session:a 0 1' 'sort session:a' 'command count' 'latency reset' 'slowlog get'; do
    # shellcheck disable=SC2086 # words
    check "$user: not ${command^^}" may_not "$user" $command
  done
  check "$user: nothing that Redis calls dangerous" [ -z "$(grave "$user")" ]
done
set +f
check "(the comparison finds what is dangerous)" [ -n "$(admin acl setuser bad +keys >/dev/null; grave bad)" ]

echo "## what it reads when it starts"
# Redis writes what a script did as a transaction, and as the user `default` does it again.
index="redis.call('ZADD', KEYS[1], 1, 'a') redis.call('PEXPIRE', KEYS[1], 90000) return 1"
check "an index is made by a script" is 1 user-service eval "$index" 1 session:index
stop redis || true
check "Redis starts again" start_store
check "and the index is there" is a task-service zrange session:index 0 -1
check "nothing of it was refused" [ -z "$(refusals)" ]

echo "## another prefix"
prefixes 'a*b[c]?\:'
check "what is a pattern elsewhere is taken as it is" is OK php setex 'a*b[c]?\:x' 9 1
for key in 'aXb[c]?\:x' 'a*bc?\:x' 'a*b[c]X\:x' session:x; do check "not $key" may_not php get "$key"; done

echo "## a new password"
old=$(password user-service) others=$(cat "$secrets"/{task-service,php}/redis)
stop redis || true
make_secrets user-service
check "is another one" [ "$(password user-service)" != "$old" ]
check "for this service alone" [ "$(cat "$secrets"/{task-service,php}/redis)" = "$others" ]
start_store
check "it is taken" is PONG user-service ping
check "the old one is not" wrong_password user-service "$old"
check "no log holds a password" no_password_in "$tmp"/*.log
summary
