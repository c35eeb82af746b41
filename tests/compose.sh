#!/usr/bin/env bash
# The stack in its containers: built, started, asked, scaled, renewed and restarted, under a project name of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
project=shared-session-test-$$
PORT=$(free_port)
export PORT
base=http://127.0.0.1:$PORT get=/task/redis_session_get set=/user/redis_session_set

compose() { docker compose -p "$project" "$@" >>"$tmp/compose.log" 2>&1 </dev/null; }
teardown() { # FAILED
  if (($1)); then docker compose -p "$project" logs --no-color --tail 30 >"$tmp/containers.log" 2>&1; fi
  compose --profile php down --volumes --rmi local --timeout 5
}
containers() { docker ps -q --filter "label=com.docker.compose.project=$project" "$@"; }
of() { containers --filter "label=com.docker.compose.service=$1"; } # SERVICE
addresses() { of "$1" | xargs docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'; }

visit() { curl -sS --max-time 10 "$@"; }
shows_session() { visit -b "$tmp/jar" "$base$get" | grep -qxF '사용자 아이디 : kky<br>'; }
always_shows_session() { for _ in {1..12}; do shows_session || return 1; done; }
# The replicas that answered the last twelve requests, as nginx's log has them.
replicas() { docker compose -p "$project" logs --no-color nginx | grep -F "\"path\":\"$get\"" | tail -n 12 | grep -o '"upstream":"[^"]*"' | sort -u | wc -l; }
three_answer() { always_shows_session && [[ $(replicas) == 3 ]]; }
hardened() {
  bare "$1" && [[ $(docker exec "$1" cat /proc/1/status | awk '$1 == "Uid:" { print $2 }') != 0 ]]
}
bare() {
  [[ $(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$1") == 'true [ALL] [no-new-privileges:true]' ]]
}
# shellcheck disable=SC2016 # the dollars are Docker's
published() { containers | xargs docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}} {{range $port, $to := .HostConfig.PortBindings}}{{$port}}{{end}}' | awk 'NF > 1'; }

password() { docker exec "$(of "$1")" cat /run/secrets/redis; } # SERVICE
known() { # what Docker tells of every container, and what they say themselves
  local container
  for container in $(docker ps -aq --filter "label=com.docker.compose.project=$project"); do
    docker inspect "$container"
    docker logs "$container" 2>&1
  done
}
secret() { known >"$tmp/known" && grep -qF /run/secrets/redis "$tmp/known" && not grep -qF "$1" "$tmp/known"; } # PASSWORD
redis_as() { docker exec -e REDISCLI_AUTH="$(password "$1")" "$(of redis)" redis-cli --user "$1" "${@:2}" 2>&1; } # USER COMMAND...

echo "## built and started"
check "docker compose build" compose build
check "docker compose up" compose up --detach --wait
check "tests/integration.sh" tests/integration.sh "$base"
check "nothing is published but nginx" [ "$(published)" = "nginx 8080/tcp" ]
for container in $(containers); do
  check "$(docker inspect -f '{{.Name}}' "$container"): not root, read-only, without capabilities" hardened "$container"
done
visit -o "$tmp/body" -c "$tmp/jar" "$base$set"
check "a session begins" shows_session

echo "## passwords"
secrets=$(docker ps -aq --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.service=secrets)
check "what makes them has ended, with status 0" [ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$secrets")" = 'exited 0' ]
check "it had no network" [ "$(docker inspect -f '{{.HostConfig.NetworkMode}}' "$secrets")" = none ]
check "and was read-only, without capabilities" bare "$secrets"
check "the services have different ones" not [ "$(password user-service)" = "$(password task-service)" ]
for service in user-service task-service; do
  check "$service: PING" [ "$(redis_as "$service" ping)" = PONG ]
  check "$service: not FLUSHALL" grep -q NOPERM <(redis_as "$service" flushall)
  check "$service: its password is in no log, and Docker does not tell it" secret "$(password "$service")"
  check "$service: has that one alone" [ "$(docker inspect -f '{{range .Mounts}}{{.Name}} {{end}}' "$(of "$service")")" = "${project}_$service-password " ]
done

echo "## scaled, and made anew"
check "docker compose up --scale task-service=3" compose up --detach --wait --no-recreate --scale task-service=3
check "all three answer, and know the session" eventually 30 three_answer
before=$(addresses user-service)
compose rm --stop --force user-service
compose up --detach --wait --no-deps --no-recreate --scale task-service=4 task-service # takes the address that is free now
check "the user service is made anew" compose up --detach --wait --no-deps user-service
check "at another address" [ "$before" != "$(addresses user-service)" ]
check "where nginx finds it" eventually 30 answers "$base$set"
check "docker compose restart user-service" compose restart user-service
check "nginx finds it again" eventually 30 answers "$base$set"
check "docker compose up --scale task-service=1" compose up --detach --wait --no-recreate --scale task-service=1
check "the one that is left answers, and knows the session" eventually 30 always_shows_session

echo "## restarted"
passwords=$(password user-service; password task-service)
check "docker compose restart redis" compose restart redis
check "the session is still there" eventually 30 shows_session
check "docker compose down" compose down
check "docker compose up, a second time" compose up --detach --wait
check "the session is even now there" eventually 30 shows_session
check "the passwords are the same" [ "$(password user-service; password task-service)" = "$passwords" ]
check "docker compose restart" compose restart
check "the session is there once more" eventually 30 shows_session
check "a new password for one service" compose run --rm secrets user-service
check "docker compose restart redis user-service" compose restart redis user-service
check "it is another one" not [ "$(password user-service)" = "$(head -n 1 <<<"$passwords")" ]
check "the other service has its own still" [ "$(password task-service)" = "$(tail -n 1 <<<"$passwords")" ]
check "the service with the new one reaches Redis" eventually 30 answers -b "$tmp/jar" "$base$set"
check "the session is there yet" eventually 30 shows_session
check "docker compose up, with another SESSION_KEY_PREFIX" env SESSION_KEY_PREFIX=visit: docker compose -p "$project" --progress quiet up --detach --wait
check "which the services may use" eventually 30 answers "$base$set"
check "docker compose up, with the one before" compose up --detach --wait
check "where the session is" eventually 30 shows_session
check "tests/integration.sh" tests/integration.sh "$base"

echo "## PHP in the same session"
export SESSION_FORMAT=php
check "docker compose --profile php build" compose --profile php build
check "docker compose --profile php up" compose --profile php up --detach --wait
check "tests/php.sh" tests/php.sh "$base"
check "tests/integration.sh" tests/integration.sh "$base" PHPSESSID
check "PHP: not root, read-only, without capabilities" hardened "$(of php)"
check "PHP: its password is in no log, and Docker does not tell it" secret "$(password php)"
check "docker compose restart redis" compose restart redis
check "and PHP's session is one still" tests/php.sh "$base"
summary
