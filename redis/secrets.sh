#!/bin/sh
# Creates a random Redis password for each service, and Redis's ACL file, which restricts each service to its own keys and commands.
#   redis/secrets.sh DIRECTORY [SERVICE...]
# DIRECTORY/SERVICE/redis     the password of a service: kept if it exists, replaced for each SERVICE argument
# DIRECTORY/redis/users.acl   Redis's `aclfile`: written at every run; contains the passwords' SHA-256 only
# Each server in SERVERS (HOST:PORT...) that runs loads the file. While a password is replaced, Redis accepts the old and the new one.
# With SENTINELS (HOST:PORT...), also for a stack with Sentinels: the services `replication` and `sentinel`, and
# DIRECTORY/sentinels/users.acl   the `aclfile` of the Sentinels
# Each service must have access to its own directory only (a volume of its own). The files are readable by all users, because each
# image has another user id, and without capabilities this script cannot change the files' owner.
set -euf
umask 022
export LC_ALL=C # compare bytes

fail() { echo "secrets.sh: $1" >&2; exit 1; }
[ $# -gt 0 ] || fail "usage: $0 DIRECTORY [SERVICE...]"
cd "$1"
shift

# ---- permissions ----
# Commands are listed by name, because Redis's categories can grow with a new version. No user has KEYS, SCAN, RANDOMKEY or another
# command that is not limited to the user's keys. Redis checks the commands of a script too. AUTH and HELLO need no permission.

# A selector in parentheses is a permission apart from the others (Redis 7).
# The commands of the library (shared-session/src/backend/redis.rs).
sessions='+ping +get +getex +set +del +pttl +pexpire +zadd +zrem +zrange +zremrangebyscore +time +eval +evalsha +client|tracking'

users() { # PATTERN: of the session keys
  # No client can authenticate as `default`. It has all permissions because Redis replays the append-only file as this user.
  echo 'user default reset off ~* &* +@all'
  echo 'user health reset on nopass +ping' # for the health check of the container
  # For redis_exporter and operators. It reads no key, but SLOWLOG GET shows the arguments of slow commands.
  user monitor +ping +info +dbsize '+slowlog|get' '+slowlog|len' '+latency|latest' '+latency|history' '+latency|histogram' '+latency|doctor'
  # shellcheck disable=SC2086 # split into words
  {
    user user-service "~$1" '~user:*' $sessions '(~task:list:* +del)' # with an account go its user's tasks
    user task-service "~$1" '~task:*' $sessions +hget +hset +hsetnx +hdel +hkeys +hlen +hexists
    user python "~$1" $sessions
    user node "~$1" $sessions
    user php "~$1" +get +setex +del # php/session.php
  }
  # This script, backup.sh, and nobody else.
  # shellcheck disable=SC2086
  user operator +ping '+acl|load' +replconf +sync +psync $operator
}
services='user-service task-service python node php operator' operator=

# The commands that the library needs as well if there are Sentinels: to check the role of a server, and SESSION_STORE_REPLICAS.
sessions_with_sentinels='+role +wait'
services="$services monitor" # each has a password

# The replicas, and the Sentinels, as users of Redis. Commands as in Redis's documentation of Sentinel.
replication_users() {
  user replication +ping +replconf +psync
  user sentinel '&__sentinel__:hello' +ping +info +role +publish +subscribe +slaveof +multi +exec '+config|rewrite' \
    '+client|setname' '+client|kill' '+script|kill'
}

# The users of a Sentinel: the other Sentinels, and the services, which ask for the primary and listen for fail-overs.
sentinel_users() {
  echo 'user default reset off'
  echo 'user health reset on nopass +ping'
  user sentinel '&__sentinel__:hello' +ping +publish '+client|setname' '+sentinel|is-master-down-by-addr'
  user operator +ping '+acl|load' '+sentinel|set' '+sentinel|config'
  for service in user-service task-service python node; do
    user "$service" '&+try-failover' '&-failover-abort-*' +ping +subscribe '+sentinel|get-master-addr-by-name'
  done
}
# ----

user() { # NAME RULE...
  name=$1 digests=
  shift
  for file in "$name/redis" "$name/redis.new"; do
    [ -e "$file" ] || continue
    password=$(cat "$file")
    [ -n "$password" ] || fail "the password of $name is empty"
    digest=$(printf %s "$password" | sha256sum)
    digests="$digests #${digest%% *}"
  done
  printf '%s\n' "user $name reset on$digests $*"
}

new_password() { # SERVICE: creates the file redis.new; hexadecimal, so that a URL needs no escaping
  password=$(od -An -v -N 32 -t x1 /dev/urandom | tr -d ' \n')
  [ ${#password} = 64 ] || fail "/dev/urandom returned too few bytes"
  mkdir -p "$1"
  printf '%s\n' "$password" >"$1/redis.new"
}
use_new_password() { # SERVICE: replaces the old one atomically
  mv -f "$1/redis.new" "$1/redis"
  echo "created a new password for $1"
}

write_acl() {
  mkdir -p redis
  users "$pattern" >redis/users.acl.new
  if [ -n "$sentinels" ]; then
    replication_users >>redis/users.acl.new
    mkdir -p sentinels
    sentinel_users >sentinels/users.acl.new
    mv -f sentinels/users.acl.new sentinels/users.acl
  fi
  mv -f redis/users.acl.new redis/users.acl
}

# Runs a command on each server that runs. The others read the ACL file and the passwords when they start.
on_each() { # SERVERS OPTION_OR_COMMAND...
  each=$1
  shift
  input=$(cat)
  for server in $each; do
    reply=$(printf %s "$input" | REDISCLI_AUTH=$(cat operator/redis) timeout 5 redis-cli -h "${server%:*}" -p "${server##*:}" --user operator "$@" 2>&1) || true
    case $reply in
      OK) ;;
      'Could not connect to Redis'*) echo "$server does not run" ;;
      *) fail "$server: $(printf %s "${reply:-no reply}" | head -n 1)" ;;
    esac
  done
}
load_acl() { on_each "$servers $sentinels" acl load </dev/null; }

# The same rules as those of the services.
prefix=${SESSION_KEY_PREFIX-session:}
case $prefix in
  '' | *[![:graph:]]*) fail "SESSION_KEY_PREFIX: must be printable ASCII without spaces, such as session:" ;;
esac
for own in user: task:; do
  case $prefix in "$own"*) fail "SESSION_KEY_PREFIX: $own is reserved for the keys of a service" ;; esac
  case $own in "$prefix"*) fail "SESSION_KEY_PREFIX: $prefix would also match the keys under $own" ;; esac
done
pattern=$(printf %s "$prefix" | sed 's/[][*?\\]/\\&/g')'*'

servers=${SERVERS-} sentinels=${SENTINELS-}
if [ -n "$sentinels" ]; then
  services="$services replication sentinel" sessions="$sessions $sessions_with_sentinels" operator='+config|set'
fi
for service; do
  case " $services " in *" $service "*) ;; *) fail "unknown service: $service (known: $services)" ;; esac
done
for service in $services; do
  rm -f "$service/redis.new" # of a run that was interrupted
  [ -s "$service/redis" ] || { new_password "$service" && use_new_password "$service"; }
done
for service; do new_password "$service"; done
write_acl
load_acl
[ $# -gt 0 ] || exit 0

# Every server accepts both passwords now.
for service; do use_new_password "$service"; done
if [ -n "$sentinels" ]; then
  on_each "$servers" -x config set masterauth <replication/redis
  on_each "$sentinels" -x sentinel set mymaster auth-pass <sentinel/redis
  on_each "$sentinels" -x sentinel config set sentinel-pass <sentinel/redis
fi
write_acl
load_acl
