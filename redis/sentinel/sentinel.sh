#!/bin/sh
# Starts a Sentinel, which watches the primary `mymaster`.
#   sentinel.sh DATA_DIRECTORY PASSWORD_FILE PRIMARY_HOST PRIMARY_PORT [OPTION...]
# A Sentinel stores its state in its configuration file: who is the primary, and which Sentinels and replicas exist. So that file is in
# the data directory. At each start it is written again, and only the state is kept. PRIMARY is the first primary.
set -eu
umask 077
configuration=$(cd "$(dirname "$0")" && pwd)
cd "$1"
password=$(cat "$2")
state="sentinel monitor mymaster $3 $4 2"
shift 4
kept='^sentinel (myid|current-epoch|monitor|config-epoch|leader-epoch|known-replica|known-sentinel) '
[ ! -e sentinel.conf ] || state=$(grep -E "$kept" sentinel.conf)
{
  printf '%s\n' "$state"
  cat "$configuration/sentinel.conf"
  cat <<CONF
sentinel auth-user mymaster sentinel
sentinel auth-pass mymaster $password
sentinel sentinel-user sentinel
sentinel sentinel-pass $password
CONF
} >sentinel.conf.new
mv -f sentinel.conf.new sentinel.conf
exec redis-server "$PWD/sentinel.conf" --sentinel --dir "$PWD" "$@"
