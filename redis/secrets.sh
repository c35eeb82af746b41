#!/bin/sh
# Makes what keeps one service from another's keys: a random password for each, and Redis's list of who may do what.
#   redis/secrets.sh DIRECTORY [SERVICE...]
# DIRECTORY/SERVICE/redis     the service's password: kept if it is there, made anew for each SERVICE that is named
# DIRECTORY/redis/users.acl   Redis's `aclfile`: written at every run, and holds no password, only their SHA-256
# Each service is given its own directory alone (a volume of its own), and that is what keeps a password from the others. The
# files can be read by whoever is let in: readers have the user ids of their images, and an owner could not be changed here
# without a capability.
set -euf
umask 022
export LC_ALL=C # bytes, in whatever language the shell was started

refuse() { echo "secrets.sh: $1" >&2; exit 1; }
[ $# -gt 0 ] || refuse "usage: $0 DIRECTORY [SERVICE...]"
cd "$1"
shift

# ---- who may do what ----
# By name, never by category: a category grows with Redis. Nothing here sees keys it was not given, so there is no KEYS, SCAN or
# RANDOMKEY, and nothing that reaches beyond single keys. A script may do no more than who runs it. AUTH and HELLO need no permission.

# The library's commands (shared-session/src/backend/redis.rs).
sessions='+ping +get +getex +set +del +pttl +pexpire +zadd +zrem +zrange +zremrangebyscore +eval +evalsha'

users() { # PATTERN: of the keys of sessions
  # Nobody can be this one. But as this one Redis reads its own file when it starts, and drops from it what it may not do.
  echo 'user default reset off ~* &* +@all'
  echo 'user health reset on nopass +ping' # asks whether Redis answers
  # shellcheck disable=SC2086 # one word for each command
  {
    user user-service "~$1" '~user:*' $sessions
    user task-service "~$1" '~task:*' $sessions +hget +hset +hsetnx +hdel +hgetall +hlen +hexists
    user php "~$1" +get +setex +del # php/session.php
  }
}
services='user-service task-service php'
# ----

user() { # NAME RULE...
  name=$1
  shift
  password=$(cat "$name/redis")
  [ -n "$password" ] || refuse "the password of $name is empty"
  digest=$(printf %s "$password" | sha256sum)
  printf '%s\n' "user $name reset on #${digest%% *} $*"
}

new_password() { # SERVICE: whole or not at all, and no byte that a URL would spell otherwise
  password=$(od -An -v -N 32 -t x1 /dev/urandom | tr -d ' \n')
  [ ${#password} = 64 ] || refuse "/dev/urandom gives no random bytes"
  mkdir -p "$1"
  printf '%s\n' "$password" >"$1/redis.new"
  mv -f "$1/redis.new" "$1/redis"
  echo "a new password for $1"
}

# As the services read it, and as their own settings demand.
prefix=${SESSION_KEY_PREFIX-session:}
case $prefix in
  '' | *[![:graph:]]*) refuse "SESSION_KEY_PREFIX: a prefix is printable ASCII without spaces, such as session:" ;;
esac
for own in user: task:; do
  case $prefix in "$own"*) refuse "SESSION_KEY_PREFIX: $own is where a service keeps what is its own" ;; esac
  case $own in "$prefix"*) refuse "SESSION_KEY_PREFIX: $prefix would open what a service keeps under $own" ;; esac
done
pattern=$(printf %s "$prefix" | sed 's/[][*?\\]/\\&/g')'*'

for service; do
  case " $services " in *" $service "*) ;; *) refuse "there is no service $service, but $services" ;; esac
done
for service in "$@"; do new_password "$service"; done
for service in $services; do
  [ -s "$service/redis" ] || new_password "$service"
done
mkdir -p redis
users "$pattern" >redis/users.acl.new
mv -f redis/users.acl.new redis/users.acl
