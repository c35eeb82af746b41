#!/bin/sh
# Starts Redis as a node of the stack with Sentinels.
#   redis.sh DATA_DIRECTORY PASSWORD_FILE ROLE [OPTION...]
# ROLE ('' or 'replicaof HOST PORT') counts at the first start only. Later the Sentinels decide, and make Redis store its role in its
# configuration file. So that file is in the data directory. At each start it is written again, and only the role is kept.
set -eu
umask 077
configuration=$(cd "$(dirname "$0")" && pwd)
cd "$1"
password=$(cat "$2")
role=$3
shift 3
[ ! -e node.conf ] || role=$(grep '^replicaof ' node.conf || true)
cat >node.conf.new <<CONF
include $configuration/../redis.conf
include $configuration/redis.conf
masterauth $password
$role
CONF
mv -f node.conf.new node.conf
exec redis-server "$PWD/node.conf" --dir "$PWD" "$@"
