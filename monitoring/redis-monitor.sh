#!/bin/sh
# Asks Redis as the user `monitor`: redis-monitor info memory. With --export, runs redis_exporter as that user.
#   REDIS_ADDRESS         the server, redis:6379 by default
#   REDIS_PASSWORD_FILE   the file with the password, /run/secrets/redis by default
set -eu
address=${REDIS_ADDRESS:-redis:6379}
password=$(cat "${REDIS_PASSWORD_FILE:-/run/secrets/redis}")
if [ "${1-}" = --export ]; then
  shift
  # The ACL permits neither CONFIG nor CLIENT SETNAME.
  REDIS_PASSWORD=$password exec prometheus-redis-exporter -redis.addr "redis://$address" -redis.user monitor -config-command - \
    -set-client-name=false "$@"
fi
REDISCLI_AUTH=$password exec redis-cli -h "${address%:*}" -p "${address##*:}" --user monitor "$@"
