#!/usr/bin/env bash
# The stack without containers: the real nginx and Redis with the repository's configuration, and the services just built.
# shellcheck disable=SC2119 # arguments may be none
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
get=/task/redis_session_get set=/user/redis_session_set

visit() { status=$(curl -sS --max-time 10 -D "$tmp/head" -o "$tmp/body" -w '%{http_code}' "$@") || true; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
is() { [[ $status == "$1" ]]; }
answers_with() { visit "${@:2}"; is "$1"; } # STATUS CURL_OPTION...
says() { grep -qF -- "$1" "$tmp/body"; }
keeps_cookie() { not grep -qi '^set-cookie:' "$tmp/head"; }
shows_session() { visit -b "$tmp/jar" "$base$get" && is 200 && says '사용자 아이디 : kky<br>'; }

echo "## the stack starts"
make_secrets
# A service need not find Redis: it starts without, and says that it is not ready.
start_service user-service "$user_port"
check "without Redis a service is alive" answers "http://127.0.0.1:$user_port/healthz"
check "but not ready" answers_with 503 "http://127.0.0.1:$user_port/readyz"
check "Redis starts" start_store
check "and the service is ready" eventually 20 answers "http://127.0.0.1:$user_port/readyz"
check "the other service starts" start_service task-service "$task_port"
check "nginx starts" start_nginx
check "tests/integration.sh" tests/integration.sh "$base"

echo "## what nginx lets through"
for path in /user /task; do
  visit "$base$path" -w '%{http_code} %{redirect_url}'
  check "$path leads to $path/" is "301 $base$path/"
done
for path in /healthz /readyz /user/../healthz /user/..%2freadyz /elsewhere; do
  check "$path is not found" answers_with 404 --path-as-is "$base$path"
done
check "a request as long as a book is refused" answers_with 413 -d "$(printf 'a%.0s' {1..70000})" "$base/user/"
visit "$base$set" -H 'X-Forwarded-Proto: https' -H 'Forwarded: proto=https'
check "a visitor cannot claim https" not grep -qi '^set-cookie:.*secure' "$tmp/head"
visit "$base$set?secret-query" -c "$tmp/jar" -H 'Referer: http://x/secret-referrer'
id=$(awk '$6 == "sid" { print $7 }' "$tmp/jar")
check "the session is there" shows_session
check "no log holds its id, or a query" not grep -qE "$id|secret" "$tmp"/{nginx,user-service,task-service,redis}.log
request=$(sed -n "s|.*\"request_id\":\"\([0-9a-f]*\)\".*\"path\":\"$set\".*|\1|p" "$tmp/nginx.log" | tail -n 1)
check "nginx's log has a request id" [ -n "$request" ]

echo "## what leaves no trace"
traces() {
  admin info persistence | grep rdb_changes_since_last_save # every write counts, to any key
  admin dbsize
  wc -l "$tmp"/{user,task}-service.log
}
no_trace() { # WHAT CURL_OPTION...
  local before page
  for page in "$base/user/" "$base/task/" "$base$get"; do
    before=$(traces)
    visit "$page" "${@:2}"
    check "$1, at ${page#"$base"}: nothing written, nothing logged" [ "$status $(traces)" = "200 $before" ]
  done
}
no_trace "no cookie"
each_bad_cookie sid no_trace

echo "## what goes, and comes back"
check "Redis has refused nobody anything" [ -z "$(refusals)" ]
stop redis || true
eventually 10 answers_with 503 "$base$get" -b "$tmp/jar" || true
check "without Redis a visitor with a cookie gets 503" is 503
check "and is told when to come again" grep -qi '^retry-after:' "$tmp/head"
check "and keeps the cookie" keeps_cookie
check "a visitor without one is served" answers_with 200 "$base$get"
check "Redis starts again" start_store
check "and the session is still there" eventually 20 shows_session

stop user-service || true
check "a service that is gone is 502" answers_with 502 "$base/user/"
check "in a plain sentence" says 'cannot be reached'
check "the other one goes on" shows_session
check "the service starts again" start_service user-service "$user_port"
check "and is found" eventually 20 answers "$base/user/"

# Redis is made slow, so that a request is on its way when the signal comes.
patient_port=$(free_port)
check "a service with a patient store starts" start_service task-service.patient "$patient_port" SESSION_STORE_TIMEOUT=8s
check "it sees the session" answers_with 200 "http://127.0.0.1:$patient_port$get" -b "$tmp/jar"
admin client pause 2000 >/dev/null
start in-flight curl -sS --max-time 10 -b "$tmp/jar" "http://127.0.0.1:$patient_port$get"
sleep 0.5
stopped=0
stop task-service.patient || stopped=$?
check "at SIGTERM a service ends with status 0" [ "$stopped" = 0 ]
wait "${pids[in-flight]}" || true
check "after the request that was on its way" grep -qF '사용자 아이디 : kky<br>' "$tmp/in-flight.log"

echo "## PHP in the same session"
for format in php php_serialize; do
  start_php "$format"
  for service in user-service task-service; do stop "$service"; done
  check "the services start with SESSION_FORMAT=$format" start_services SESSION_FORMAT=$format
  check "tests/integration.sh" tests/integration.sh "$base" PHPSESSID
  check "tests/php.sh" tests/php.sh "$base"
  stop php || true
done

start_php php REDIS_PASSWORD_FILE=
check "PHP without its password has no session" answers_with 500 "$base/php/redis_session_get.php"
check "Redis has refused nobody anything, nor itself" [ -z "$(refusals)" ]
check "no log holds a password" no_password_in "$tmp"/*.log
summary
