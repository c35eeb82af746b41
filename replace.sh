#!/bin/sh
# Replaces the containers of one service after the other, for a new image or new settings, without a failed request:
#   ./replace.sh SERVICE...
# The new containers start beside the old ones, which complete their requests and stop when the new ones are healthy. If these do not
# become healthy, they are removed, and the old ones stay. (`docker compose up` stops the old ones first, those of all services at once.)
set -eu
for service; do
  old=$(docker compose ps --all --quiet "$service")
  [ -n "$old" ] || { echo "replace.sh: there is no container of $service" >&2; exit 1; }
  count=$(echo "$old" | wc -l) status=0
  # not with --no-deps, after which the next `up` would replace the containers again
  docker compose up --detach --wait --no-recreate --scale "$service=$((2 * count))" "$service" || status=$?
  sleep 2 # until nginx has looked up the name again
  [ $status = 0 ] || old=$(docker compose ps --all --quiet "$service" | grep -vxF "$old")
  # shellcheck disable=SC2086 # split into words
  { docker stop $old && docker rm $old; } >/dev/null
  [ $status = 0 ] || { echo "replace.sh: the new containers of $service did not become healthy" >&2; exit 1; }
done
