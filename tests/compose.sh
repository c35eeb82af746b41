#!/usr/bin/env bash
# Tests the stack in containers: builds, starts, scales, recreates and restarts it, under a project name of its own.
#   tests/compose.sh [--all]    with --all also the pages in Python and Node.js, and the profile monitoring
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=containers.sh
. tests/containers.sh
reserve_ports prometheus_port

always_shows_session() { for _ in {1..12}; do shows_session || return 1; done; }
# Prints how many replicas served the last twelve requests, according to nginx's log.
replicas() { docker compose -p "$project" logs --no-color nginx | grep -F "\"path\":\"$get\"" | tail -n 12 | grep -o '"upstream":"[^"]*"' | sort -u | wc -l; }
three_replicas_show_session() { always_shows_session && [[ $(replicas) == 3 ]]; }
replace() { COMPOSE_PROJECT_NAME=$project ./replace.sh "$@" >>"$tmp/compose.log" 2>&1; } # SERVICE...
mounts() { docker inspect -f '{{range .Mounts}}{{.Name}} {{end}}' "$(container_of "$1")"; } # SERVICE
redis_as() { docker exec -e REDISCLI_AUTH="$(password "$1")" "$(container_of redis)" redis-cli --user "$1" "${@:2}" 2>&1; } # USER COMMAND...

# without link-time optimisation, which takes minutes
make_images() { compose "$@" build --build-arg CARGO_PROFILE_RELEASE_LTO=off; } # [--profile NAME]
polyglot() { compose --profile polyglot "$@"; }
status() { request -o "$tmp/body" -w '%{http_code}' "$@"; }
has_gone() { [[ $(status "$base/$1/") == 502 ]]; } # SERVICE
test_polyglot() {
  local service
  for service in python node; do check "without $service nginx responds with 502" has_gone "$service"; done
  check "docker compose --profile polyglot build" make_images --profile polyglot
  check "docker compose --profile polyglot up" polyglot up --detach --wait
  check "tests/polyglot.sh passes" tests/polyglot.sh "$base"
  check "only nginx publishes a port" [ "$(published)" = "nginx 8080/tcp" ]
  for service in python node; do
    check "$service runs read-only, without root and capabilities" hardened "$(container_of "$service")"
    check "$service: PING is allowed" [ "$(redis_as "$service" ping)" = PONG ]
    check "$service: FLUSHALL is denied" grep -q NOPERM <(redis_as "$service" flushall)
    check "$service: neither a log nor docker inspect shows its password" not_exposed "$(password "$service")"
    check "$service: mounts its own password only" [ "$(mounts "$service")" = "${project}_$service-password " ]
  done
  check "docker compose restart redis" compose restart redis
  check "tests/polyglot.sh passes after the restart" eventually 30 tests/polyglot.sh "$base"
  check "the services still share the session" shows_session
  check "docker compose stop python node" polyglot stop python node
  for service in python node; do check "without $service nginx responds with 502 again" eventually 10 has_gone "$service"; done
  check "the session still exists" shows_session
}

test_monitoring() {
  local service
  PROMETHEUS_PORT=$prometheus_port
  export PROMETHEUS_PORT
  check "docker compose --profile monitoring build" make_images --profile monitoring
  check "docker compose --profile monitoring up" compose --profile monitoring up --detach --wait
  for service in prometheus redis-exporter; do check "$service runs read-only, without root and capabilities" hardened "$(container_of "$service")"; done
  check "Prometheus reaches both services and redis_exporter" eventually 60 targets_are_up 3
  check "docker compose up --scale task-service=2" compose --profile monitoring up --detach --wait --no-recreate --scale task-service=2
  check "it finds the other copy" eventually 60 targets_are_up 4
  check "redis_exporter reaches Redis" eventually 30 eval 'request "http://127.0.0.1:$prometheus_port/api/v1/query?query=redis_up" | grep -q "\"1\""'
  check "redis-monitor info memory" docker exec "$(container_of redis-exporter)" redis-monitor info memory
  check "neither a log nor docker inspect shows its password" not_exposed "$(docker exec "$(container_of redis-exporter)" cat /run/secrets/redis)"
}
targets_are_up() { # NUMBER
  [[ $(request "http://127.0.0.1:$prometheus_port/api/v1/targets" | grep -o '"health":"up"' | wc -l) == "$1" ]]
}

echo "## build and start"
check "docker compose build" make_images
check "docker compose up" compose up --detach --wait
check "tests/integration.sh passes" tests/integration.sh "$base"
check "only nginx publishes a port" [ "$(published)" = "nginx 8080/tcp" ]
check "no client comes over IPv6, where Docker hides their addresses" not request -o "$tmp/body" "http://[::1]:$PORT/nginx-health"
for container in $(containers); do
  name=$(docker inspect -f '{{.Name}}' "$container")
  check "$name runs read-only, without root and capabilities" hardened "$container"
  check "$name has limits of memory, processes and log files" limited "$container"
done
check "nginx may open the files of worker_rlimit_nofile" \
  grep -qE 'Max open files +20000 +20000' <(docker exec "$(container_of nginx)" cat /proc/1/limits)
request -o "$tmp/body" -c "$tmp/jar" "$base$set"
check "a session exists" shows_session
request -o "$tmp/body" -H "Origin: $base" -d id=anna -d name=Anna -d 'password=battery horse 1' "$base/user/register"
check "docker compose exec user-service user-service sessions lists those of a user" \
  grep -q ' curl$' <(docker compose -p "$project" exec -T user-service user-service sessions anna)
docker compose -p "$project" exec -T user-service user-service sessions anna --operator olga --revoke --all
check "docker compose logs user-service names the operator" eventually 10 \
  eval 'docker compose -p "$project" logs user-service | grep "all sessions revoked" | grep -q olga'

echo "## passwords"
secrets=$(docker ps -aq --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.service=secrets)
check "secrets has exited with status 0" [ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$secrets")" = 'exited 0' ]
check "secrets is on the network of Redis only" [ "$(docker inspect -f '{{.HostConfig.NetworkMode}}' "$secrets")" = "${project}_store" ]
check "secrets runs read-only, without capabilities" restricted "$secrets"
check "the services have different passwords" not [ "$(password user-service)" = "$(password task-service)" ]
for service in user-service task-service; do
  check "$service: PING is allowed" [ "$(redis_as "$service" ping)" = PONG ]
  check "$service: FLUSHALL is denied" grep -q NOPERM <(redis_as "$service" flushall)
  check "$service: neither a log nor docker inspect shows its password" not_exposed "$(password "$service")"
  check "$service: mounts its own password only" [ "$(mounts "$service")" = "${project}_$service-password " ]
done

echo "## scaling and recreation"
check "docker compose up --scale task-service=3" compose up --detach --wait --no-recreate --scale task-service=3
check "all three replicas show the session" eventually 30 three_replicas_show_session
check "docker compose up --scale task-service=1" compose up --detach --wait --no-recreate --scale task-service=1
check "the remaining replica shows the session" eventually 30 always_shows_session
before=$(addresses user-service)
export SESSION_TTL=59m # in place of .env
start probe probe
check "docker compose up secrets" compose up secrets
check "the services are replaced, with another setting" replace user-service task-service
check "nginx reads its configuration again" compose exec -T nginx nginx -p /tmp -e stderr -c /etc/nginx/stack/nginx.conf -s reload
replaced=$(containers)
check "an invalid setting is refused" not eval 'SESSION_TTL=invalid replace user-service'
check "the container is still there" [ "$(containers)" = "$replaced" ]
check "docker compose up" compose up --detach --wait
check "it has nothing to replace" [ "$(containers)" = "$replaced" ]
check "no request failed" no_request_failed
check "user-service has the setting" [ "$(setting user-service SESSION_TTL)" = 59m ]
check "user-service has another address" [ "$before" != "$(addresses user-service)" ]

echo "## a new password"
passwords=$(password user-service; password task-service)
start probe probe
check "docker compose run secrets user-service" compose run --rm secrets user-service
check "no request failed" no_request_failed
check "user-service has a new password" not [ "$(password user-service)" = "$(head -n 1 <<<"$passwords")" ]
check "task-service has the same password" [ "$(password task-service)" = "$(tail -n 1 <<<"$passwords")" ]
check "Redis accepts the new password" [ "$(redis_as user-service ping)" = PONG ]

echo "## backup"
submit() { request -o "$tmp/body" -w '%{http_code}' -b "$tmp/berta" -c "$tmp/berta" -H "Origin: $base" "$base$1" "${@:2}"; } # PATH CURL_OPTION...
has_task() { [[ $(submit /task/) == 200 ]] && grep -qF 'buy milk' "$tmp/body"; }
secret='battery horse 1'
check "a user registers" [ "$(submit /user/register -d id=berta -d name=Berta --data-urlencode "password=$secret")" = 303 ]
check "the user adds a task" [ "$(submit /task/ -d 'title=buy milk')" = 303 ]
check "a running Redis is backed up" eval 'docker compose -p "$project" run --rm -T --entrypoint /backup.sh secrets >"$tmp/backup.rdb" 2>>"$tmp/compose.log"'

echo "## restart"
passwords=$(password user-service; password task-service)
check "docker compose restart redis" compose restart redis
check "user-service connects with its new password" eventually 30 responds -b "$tmp/jar" "$base$set"
check "the session still exists" eventually 30 shows_session
check "docker compose down" compose down
check "the data is removed" docker volume rm "${project}_sessions"
check "the backup is restored" \
  eval 'docker compose -p "$project" run --rm -T --no-deps --entrypoint /etc/redis/restore.sh redis <"$tmp/backup.rdb" >>"$tmp/compose.log" 2>&1'
cat >"$tmp/broken.yml" <<<'services: { nginx: { entrypoint: [nginx, -c, /missing] } }'
check "docker compose up --wait fails if nginx does not start" not compose -f docker-compose.yml -f "$tmp/broken.yml" up --detach --wait --no-deps nginx
check "docker compose up after down" compose up --detach --wait
check "the user is signed in and has the task" has_task
check "the account exists" [ "$(submit /user/login -d id=berta --data-urlencode "password=$secret")" = 303 ]
check "the session still exists after down and up" eventually 30 shows_session
check "the passwords are unchanged" [ "$(password user-service; password task-service)" = "$passwords" ]
check "docker compose restart" compose restart
check "the session still exists after a restart of all services" eventually 30 shows_session
check "docker compose up with another SESSION_KEY_PREFIX" env SESSION_KEY_PREFIX=visit: docker compose -p "$project" --progress quiet up --detach --wait
check "the services may use the other prefix" eventually 30 responds "$base$set"
check "docker compose up with the default SESSION_KEY_PREFIX" compose up --detach --wait
check "the session still exists under the default prefix" eventually 30 shows_session
check "tests/integration.sh passes" tests/integration.sh "$base"

if [[ ${1:-} == --all ]]; then
  echo "## Python and Node.js"
  test_polyglot
  echo "## monitoring"
  test_monitoring
fi

echo "## PHP"
export SESSION_FORMAT=php
check "docker compose --profile php build" make_images --profile php
check "docker compose --profile php up" compose --profile php up --detach --wait
check "tests/php.sh passes" tests/php.sh "$base"
check "tests/integration.sh passes" tests/integration.sh "$base" PHPSESSID
check "php runs read-only, without root and capabilities" hardened "$(container_of php)"
check "php: neither a log nor docker inspect shows its password" not_exposed "$(password php)"
check "docker compose restart redis" compose restart redis
check "tests/php.sh passes after the restart" tests/php.sh "$base"
summary
