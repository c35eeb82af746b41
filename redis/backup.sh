#!/bin/sh
# Writes a consistent copy of the data of a running Redis (an RDB file) to the standard output, as the user `operator` of secrets.sh:
#   docker compose run --rm -T --entrypoint /backup.sh secrets >backup.rdb
# Redis sends it as to a new replica, and serves requests meanwhile. If this fails, the exit status is not 0 and there is no output.
set -eu
umask 077
operator=${1:-/secrets}/operator # the volume has room for the file
server=${SERVERS%% *} file=$operator/backup.rdb
trap 'rm -f "$file"' EXIT
REDISCLI_AUTH=$(cat "$operator/redis")
export REDISCLI_AUTH
redis-cli -h "${server%:*}" -p "${server##*:}" --user operator --rdb "$file" >&2 # not to `-`, which adds a mark to the end
redis-check-rdb "$file" >&2
cat "$file"
