#!/bin/sh
# Creates a random Redis password for each service, and Redis's ACL file, which restricts each service to its own keys and commands.
#   redis/secrets.sh DIRECTORY [SERVICE...]
# DIRECTORY/SERVICE/redis     the password of a service: kept if it exists, replaced for each SERVICE argument
# DIRECTORY/redis/users.acl   Redis's `aclfile`: written at every run; contains the passwords' SHA-256 only
# With SENTINEL=yes, also for a stack with Sentinels: the services `replication` and `sentinel`, and
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
sessions='+ping +get +getex +set +del +pttl +pexpire +zadd +zrem +zrange +zremrangebyscore +time +eval +evalsha'

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
}
services='user-service task-service python node php'

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
  for service in user-service task-service python node; do
    user "$service" '&+try-failover' '&-failover-abort-*' +ping +subscribe '+sentinel|get-master-addr-by-name'
  done
}
# ----

user() { # NAME RULE...
  name=$1
  shift
  password=$(cat "$name/redis")
  [ -n "$password" ] || fail "the password of $name is empty"
  digest=$(printf %s "$password" | sha256sum)
  printf '%s\n' "user $name reset on #${digest%% *} $*"
}

new_password() { # SERVICE: replaces the file atomically; hexadecimal, so that a URL needs no escaping
  password=$(od -An -v -N 32 -t x1 /dev/urandom | tr -d ' \n')
  [ ${#password} = 64 ] || fail "/dev/urandom returned too few bytes"
  mkdir -p "$1"
  printf '%s\n' "$password" >"$1/redis.new"
  mv -f "$1/redis.new" "$1/redis"
  echo "created a new password for $1"
}

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

sentinel=
case ${SENTINEL-} in
  '') ;;
  yes) sentinel=yes services="$services replication sentinel" sessions="$sessions $sessions_with_sentinels" ;;
  *) fail "SENTINEL: must be yes or empty" ;;
esac
for service; do
  case " $services " in *" $service "*) ;; *) fail "unknown service: $service (known: $services)" ;; esac
done
for service in "$@"; do new_password "$service"; done
for service in $services; do
  [ -s "$service/redis" ] || new_password "$service"
done
mkdir -p redis
users "$pattern" >redis/users.acl.new
if [ -n "$sentinel" ]; then
  replication_users >>redis/users.acl.new
  mkdir -p sentinels
  sentinel_users >sentinels/users.acl.new
  mv -f sentinels/users.acl.new sentinels/users.acl
fi
mv -f redis/users.acl.new redis/users.acl
