#!/usr/bin/env bash
# Tests the stack with a primary, two replicas and three Sentinels in containers: passwords change, the primary is killed and comes back,
# and everything restarts.
set -euo pipefail
cd "$(dirname "$0")/.."
export COMPOSE_FILE=docker-compose.yml:docker-compose.sentinel.yml SESSION_STORE_REPLICAS=1
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=containers.sh
. tests/containers.sh
STORE_NETWORK=172.29.$((RANDOM % 256))
export STORE_NETWORK
nodes="redis redis-2 redis-3" sentinels="sentinel-1 sentinel-2 sentinel-3"

sentinel() { docker exec -e REDISCLI_AUTH="$(password user-service)" "$(container_of "$1")" redis-cli -p 26379 --user user-service sentinel "${@:2}" 2>&1; } # SERVICE COMMAND...
node_at() { case $1 in *.11) echo redis ;; *.12) echo redis-2 ;; *.13) echo redis-3 ;; esac; } # ADDRESS
primary() { node_at "$(sentinel "$1" get-master-addr-by-name mymaster | head -n 1)"; } # SENTINEL
all_name() { for sentinel in $sentinels; do [[ $(primary "$sentinel") == "$1" ]] || return 1; done; } # NODE
all_name_another_than() { local named; named=$(primary sentinel-1) && [[ $named && $named != "$1" ]] && all_name "$named"; } # NODE
redis_accepts() { [[ $(docker exec -e REDISCLI_AUTH="$(password user-service)" "$(container_of "$1")" redis-cli --user user-service ping) == PONG ]]; } # NODE
# Whether a node follows the primary.
is_replica() { # NODE
  local role
  role=$(docker exec -e REDISCLI_AUTH="$(password user-service)" "$(container_of "$1")" redis-cli --user user-service role 2>/dev/null) &&
    [[ $role == slave*connected* ]]
}
# Whether a change is answered as done, which needs a replica because of SESSION_STORE_REPLICAS.
replicates() { responds "$base$set"; }
only_right_or_503() { grep -qx 200 "$tmp/probe.log" && not grep -qvxE '200|503' "$tmp/probe.log"; }
kill_container() { docker kill "$1" >>"$tmp/compose.log" 2>&1; } # CONTAINER
ip_of() { docker inspect -f "{{with index .NetworkSettings.Networks \"${project}_store\"}}{{.IPAddress}}{{end}}" "$(container_of "$1")"; } # SERVICE

echo "## build and start"
check "docker compose build" compose build
check "docker compose up" compose up --detach --wait
check "a change reaches a replica" eventually 20 replicates
check "tests/integration.sh passes" tests/integration.sh "$base"
check "only nginx publishes a port" [ "$(published)" = "nginx 8080/tcp" ]
for container in $(containers); do
  check "$(docker inspect -f '{{.Name}}' "$container") runs read-only, without root and capabilities" hardened "$container"
done
number=11
for service in $nodes $sentinels; do
  check "$service has its fixed address" [ "$(ip_of "$service")" = "$STORE_NETWORK.$number" ]
  number=$((number == 13 ? 21 : number + 1))
done
check "every Sentinel names redis as the primary" all_name redis
request -o "$tmp/body" -c "$tmp/jar" "$base$set"
check "a session exists" shows_session

echo "## passwords"
for service in user-service redis sentinel-1; do
  check "neither a log nor docker inspect shows the password in $service" not_exposed "$(password "$service")"
done
check "the passwords of replication and of the Sentinels are different" not [ "$(password redis)" = "$(password sentinel-1)" ]
check "user-service: SENTINEL FAILOVER is denied" grep -q NOPERM <(sentinel sentinel-1 failover mymaster)
check "without a user: SENTINEL MASTERS is denied" grep -q NOAUTH <(docker exec "$(container_of sentinel-1)" redis-cli -p 26379 sentinel masters 2>&1)

old=$(password user-service; password redis; password sentinel-1)
start probe probe
check "docker compose run secrets" compose run --rm secrets user-service replication sentinel operator
check "no request failed" no_request_failed
check "user-service, the nodes and the Sentinels have new passwords" \
  not grep -qxF "$old" <(password user-service; password redis; password sentinel-1)
for node in $nodes; do check "$node accepts the new password" redis_accepts "$node"; done
check "every Sentinel accepts the new password" all_name redis

echo "## the primary is killed"
start probe probe
check "docker kill" kill_container "$(container_of redis)"
check "every Sentinel names another primary" eventually 20 all_name_another_than redis
check "the session still exists" eventually 2 shows_session
check "a change reaches a replica" eventually 2 replicates
stop probe || true
check "each response was right or 503" only_right_or_503
check "tests/integration.sh passes" tests/integration.sh "$base"
check "the old primary starts again" compose start redis
check "it becomes a replica" eventually 30 is_replica redis
named=$(primary sentinel-1)

echo "## restart"
check "docker compose down" compose down
check "docker compose up after down" compose up --detach --wait
check "the session still exists after down and up" eventually 30 shows_session
check "the same node is the primary" all_name "$named"
check "a change reaches a replica" eventually 20 replicates
summary
