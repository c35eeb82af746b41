# shellcheck shell=bash
# Functions for the tests of the stack in containers. To be sourced after lib.sh, in the repository's root. Provides a Compose project of
# its own with a free port, and removes it when the script exits. `COMPOSE_FILE` selects the files.
# shellcheck disable=SC2154 # lib.sh defines `tmp`
project=shared-session-test-$$
reserve_ports PORT
export PORT
base=http://127.0.0.1:$PORT get=/task/redis_session_get set=/user/redis_session_set

compose() { docker compose -p "$project" "$@" >>"$tmp/compose.log" 2>&1 </dev/null; }
teardown() { # FAILED
  if (($1)); then docker compose -p "$project" logs --no-color --tail 30 >"$tmp/containers.log" 2>&1; fi
  compose --profile php --profile polyglot --profile monitoring down --volumes --rmi local --timeout 5
}
containers() { docker ps -q --filter "label=com.docker.compose.project=$project" "$@"; }
container_of() { containers --filter "label=com.docker.compose.service=$1"; } # SERVICE
addresses() { container_of "$1" | xargs docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'; } # SERVICE

request() { curl -sS --max-time 10 "$@"; }
shows_session() { request -b "$tmp/jar" "$base$get" | grep -qxF '사용자 아이디 : kky<br>'; }
restricted() { # CONTAINER
  [[ $(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$1") == 'true [ALL] [no-new-privileges:true]' ]]
}
limited() { # CONTAINER
  [[ $(docker inspect -f '{{gt .HostConfig.Memory 0}} {{.HostConfig.PidsLimit}} {{index .HostConfig.LogConfig.Config "max-size"}}' "$1") == 'true 512 10m' ]]
}
hardened() { # CONTAINER
  restricted "$1" && [[ $(docker exec "$1" cat /proc/1/status | awk '$1 == "Uid:" { print $2 }') != 0 ]]
}
# shellcheck disable=SC2016 # Docker expands the dollar signs
published() { containers | xargs docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}} {{range $port, $to := .HostConfig.PortBindings}}{{$port}}{{end}}' | awk 'NF > 1'; }

# Prints the status of a request with the session to each service, every 100 ms, until it is stopped.
probe() {
  while :; do
    curl -s --max-time 10 -w '%{http_code}\n' -b "$tmp/jar" -o /dev/null "$base$get" -o /dev/null "$base/user/"
    sleep 0.1
  done
}
no_request_failed() { # since the probe was started
  local seen
  seen=$(probed)
  eventually 20 probed_more_than $((seen + 9)) || return 1 # also some requests after what happened
  stop probe || true
  mv "$tmp/probe.log" "$tmp/probe"
  not grep -vx 200 "$tmp/probe"
}
probed() { wc -l <"$tmp/probe.log"; }
probed_more_than() { [[ $(probed) -gt $1 ]]; } # COUNT
setting() { docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' "$(container_of "$1")" | sed -n "s/^$2=//p"; } # SERVICE VARIABLE

password() { docker exec "$(container_of "$1")" cat /run/secrets/redis; } # SERVICE
inspect_and_logs() { # prints what Docker shows of every container, and the container's logs
  local container
  for container in $(docker ps -aq --filter "label=com.docker.compose.project=$project"); do
    docker inspect "$container"
    docker logs "$container" 2>&1
  done
}
not_exposed() { inspect_and_logs >"$tmp/exposed" && grep -qF /run/secrets/redis "$tmp/exposed" && not grep -qF "$1" "$tmp/exposed"; } # PASSWORD
