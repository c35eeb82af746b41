#!/bin/sh
# Puts the copy of backup.sh, from the standard input, into an empty volume, as the first part of an append-only file:
#   docker compose run --rm -T --no-deps --entrypoint /etc/redis/restore.sh redis <backup.rdb
set -eu
umask 077
fail() { echo "restore.sh: $1" >&2; exit 1; }
cd "${1:-/data}"
[ ! -e appendonlydir ] || fail "$PWD holds data; remove the volume first"
rm -rf restored
mkdir restored
cat >restored/appendonly.aof.1.base.rdb
redis-check-rdb restored/appendonly.aof.1.base.rdb >&2 || fail "the backup is damaged; nothing was restored"
echo 'file appendonly.aof.1.base.rdb seq 1 type b' >restored/appendonly.aof.manifest
mv restored appendonlydir # all of it or nothing
