#!/usr/bin/env bash
# Tests the stack without containers: the real nginx and Redis with the repository's configuration, and the services as just built.
# shellcheck disable=SC2119 # arguments are optional
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
get=/task/redis_session_get set=/user/redis_session_set

request() { status=$(curl -sS --max-time 10 -D "$tmp/head" -o "$tmp/body" -w '%{http_code}' "$@") || true; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
status_is() { [[ $status == "$1" ]]; }
responds_with() { request "${@:2}"; status_is "$1"; } # STATUS CURL_OPTION...
shows() { grep -qF -- "$1" "$tmp/body"; }
sets_no_cookie() { not grep -qi '^set-cookie:' "$tmp/head"; }
shows_session() { request -b "$tmp/jar" "$base$get" && status_is 200 && shows '사용자 아이디 : kky<br>'; }

echo "## start"
make_secrets
start_service user-service "$user_port"
check "user-service is alive without Redis" responds "http://127.0.0.1:$user_port/healthz"
check "user-service is not ready without Redis" responds_with 503 "http://127.0.0.1:$user_port/readyz"
check "Redis starts" start_store
check "user-service becomes ready" eventually 20 responds "http://127.0.0.1:$user_port/readyz"
check "task-service starts" start_service task-service "$task_port"
check "nginx starts" start_nginx
check "tests/integration.sh passes" tests/integration.sh "$base"

echo "## nginx"
for path in /user /task; do
  request "$base$path" -w '%{http_code} %{redirect_url}'
  check "$path redirects to $path/" status_is "301 $base$path/"
done
for path in /healthz /readyz /metrics /user/../healthz /user/../metrics /user/..%2freadyz /elsewhere; do
  check "$path is not found" responds_with 404 --path-as-is "$base$path"
done
check "a body of 70 KB is rejected" responds_with 413 -d "$(printf 'a%.0s' {1..70000})" "$base/user/"
request "$base$set" -H 'X-Forwarded-Proto: https' -H 'Forwarded: proto=https'
check "a client cannot claim https" not grep -qi '^set-cookie:.*secure' "$tmp/head"
request "$base$set?secret-query" -c "$tmp/jar" -H 'Referer: http://x/secret-referrer'
id=$(awk '$6 == "sid" { print $7 }' "$tmp/jar")
check "the session exists" shows_session
request "http://127.0.0.1:$user_port/metrics"
check "/metrics of user-service counts the session" grep -qE '^session_created_total [1-9]' "$tmp/body"
check "/metrics has the durations of Redis's operations" shows 'db_client_operation_duration_seconds_bucket{db_system_name="redis",db_operation_name="create"'
check "/metrics contains no session id" not shows "$id"
check "no log contains the session id or a query" not grep -qE "$id|secret" "$tmp"/{nginx,user-service,task-service,redis}.log
request_id=$(sed -n "s|.*\"request_id\":\"\([0-9a-f]*\)\".*\"path\":\"$set\".*|\1|p" "$tmp/nginx.log" | tail -n 1)
check "nginx logs a request id" [ -n "$request_id" ]

operate() { # ARGUMENT...: runs a subcommand with the settings of the service
  env -u SUDO_USER USER=olga SESSION_STORE="redis://user-service@127.0.0.1:$redis_port/0" \
    SESSION_STORE_PASSWORD_FILE="$secrets/user-service/redis" "$bin/user-service" "$@" >"$tmp/body" 2>"$tmp/head"
}
status=-
for command in delete unlock reset; do
  check "user-service accounts $command reports an unknown account" not operate accounts $command nobody
  check "Redis permits it to look for the account" grep -q 'there is no account' "$tmp/head"
done
check "user-service sessions reports an unknown account" not operate sessions nobody --revoke --all
post() { responds_with "$1" -H 'Sec-Fetch-Site: same-origin' "${@:3}" "$base$2"; } # STATUS PATH CURL_OPTION...
sign_in() { post "$1" /user/login -d id=anna -d 'password=battery horse 1' "${@:2}"; } # STATUS CURL_OPTION...
check "a user registers" post 303 /user/register -c "$tmp/anna" -d id=anna -d name=Anna -d 'password=battery horse 1'
check "the user adds a task" post 303 /task/ -b "$tmp/anna" -d title=task
check "a task of somebody else is not found" post 404 /task/0000000000000000/delete -b "$tmp/anna" -d ''
check "the log of task-service says who asked for it, and from where" \
  eval 'grep "change of an unknown task refused" "$tmp/task-service.log" | grep "\"user.id\":\"anna\"" | grep "client.address" | grep -q request_id'
account=$(admin get user:account:anna | sed 's/^{"account":"\([^"]*\)".*/\1/')
admin set "user:attempts:$account" "100 0" >/dev/null
check "a hundred wrong passwords block the sign-in" sign_in 429
check "user-service accounts unlock lifts the block" operate accounts unlock anna
check "the user signs in" sign_in 303
check "user-service sessions lists the sessions" eval 'operate sessions anna && [[ $(grep -c " curl$" "$tmp/body") == 2 ]]'
handle=$(tail -n 1 "$tmp/body" | cut -d ' ' -f 1)
check "user-service sessions --revoke revokes one" operate sessions anna --revoke "$handle"
check "user-service sessions --revoke --all revokes the others" operate sessions anna --revoke --all
check "the user is signed out" eval 'request "$base/task/" -b "$tmp/anna" && shows "<h1>Draft tasks</h1>"'
check "user-service accounts reset prints a link" eval 'operate accounts reset anna && grep -q "^/user/reset?token=" "$tmp/body"'
link=$(tail -n 1 "$tmp/body")
check "the link leads to a form" eval 'request "$base$link" && status_is 200 && shows "<h1>Set a new password</h1>"'
check "it sets a new password" post 200 /user/reset -d "token=${link#*=}" -d 'new=battery horse 2'
check "it works once" post 404 /user/reset -d "token=${link#*=}" -d 'new=battery horse 3'
check "the old password is worthless" sign_in 401
check "the new one signs in" post 303 /user/login -d id=anna -d 'password=battery horse 2'
check "no log contains the token" not grep -qF "${link#*=}" "$tmp"/{nginx,user-service,redis}.log
left() { admin exists user:account:anna "task:list:$account"; }
check "Redis holds the account and its tasks" [ "$(left)" = 2 ]
check "user-service accounts delete deletes the account" operate accounts delete anna
check "its record in the audit log has the user" grep -q 'audit: account deleted operator="olga" user.id="anna"' "$tmp/head"
check "Redis holds neither the account nor its tasks" [ "$(left)" = 0 ]
check "the account is gone" sign_in 401
is_logged() { grep "\"$1\"" "$tmp/user-service.log" | grep -qF '"operator":"olga"'; } # MESSAGE
for message in 'all sessions revoked' 'account unlocked' 'password reset begun' 'account deleted'; do
  check "the log of user-service has '$message' with the operator" eventually 10 is_logged "$message"
done
request "$base$set" -c "$tmp/jar"
id=$(awk '$6 == "sid" { print $7 }' "$tmp/jar")

echo "## requests that must leave no trace"
traces() {
  admin info persistence | grep rdb_changes_since_last_save # counts every write to Redis
  admin dbsize
  wc -l "$tmp"/{user,task}-service.log
}
check_no_trace() { # DESCRIPTION CURL_OPTION...
  local before page
  for page in "$base/user/" "$base/task/" "$base$get"; do
    before=$(traces)
    request "$page" "${@:2}"
    check "$1, at ${page#"$base"}: no write and no log line" [ "$status $(traces)" = "200 $before" ]
  done
}
check_no_trace "no cookie"
for_each_invalid_cookie sid check_no_trace

echo "## failure and recovery"
check "Redis denied no command" [ -z "$(denied_commands)" ]
stop redis || true
eventually 10 responds_with 503 "$base$get" -b "$tmp/jar" || true
check "without Redis a request with a cookie gets 503" status_is 503
check "the response has Retry-After" grep -qi '^retry-after:' "$tmp/head"
check "the response does not change the cookie" sets_no_cookie
check "without Redis a request without a cookie succeeds" responds_with 200 "$base$get"
check "Redis starts again" start_store
check "the session still exists" eventually 20 shows_session

stop user-service || true
check "nginx responds with 502 if user-service is stopped" responds_with 502 "$base/user/"
check "the response is nginx's own page" shows '<h1>Service unavailable</h1>'
check "its style is from the other service" responds_with 200 "$base$(grep -o '/[a-z]*/style.css' "$tmp/body")"
request "$base/user/"
check "it has the navigation" shows '<li><a href="/task/">Tasks</a></li>'
check "it names the page that it leads to" shows 'href="/user/">Go to Account</a>'
check "it does not speak of a form" not shows 'carried out'
check "a form gets 502" post 502 /user/login -d id=anna
check "after a form it says that it may have been carried out" shows 'may have been carried out: look before you send it again'
check "task-service still responds" shows_session
check "user-service starts again" start_service user-service "$user_port"
check "nginx reaches user-service again" eventually 20 responds "$base/user/"

# Redis is paused, so that a request is in flight when the service gets the signal.
reserve_ports slow_port
check "a service with a long store timeout starts" start_service task-service.slow "$slow_port" SESSION_STORE_TIMEOUT=8s
check "it shows the session" responds_with 200 "http://127.0.0.1:$slow_port$get" -b "$tmp/jar"
admin client pause 2000 >/dev/null
start in-flight curl -sS --max-time 10 -b "$tmp/jar" "http://127.0.0.1:$slow_port$get"
sleep 0.5
stopped=0
stop task-service.slow || stopped=$?
check "at SIGTERM it ends with status 0" [ "$stopped" = 0 ]
wait "${pids[in-flight]}" || true
check "it completes the request in flight first" grep -qF '사용자 아이디 : kky<br>' "$tmp/in-flight.log"

# nginx's limits count the requests of each part of this test from 0.
restart_nginx() { stop nginx && run_nginx; }

echo "## Python and Node.js"
check "nginx starts again" restart_nginx
for program in python node; do
  check "without $program nginx responds with 502" responds_with 502 "$base/$program/"
  check "the response is nginx's own page" shows '<h1>Service unavailable</h1>'
  check "it says how to start the program" shows '<code>docker compose --profile polyglot up</code>'
done
for program in python node php; do
  check "without $program its card is a picture of nginx's" eval 'responds_with 200 "$base/$program/session.svg" && grep -qi "^content-type: image/svg+xml" "$tmp/head"'
  check "it says how to start the program" eval 'shows "does not run here" && shows "profile"'
  check "it is XML" python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' "$tmp/body"
done
for program in python node; do (cd "bindings/$program" && PYO3_BUILD_EXTENSION_MODULE=1 cargo build --locked); done
check "the pages are installed" install_pages
check "Python starts" start_python
check "Node.js starts" start_node
check "tests/polyglot.sh passes" tests/polyglot.sh "$base"
stop redis || true
for program in python node; do
  check "without Redis /$program/ responds with 503" responds_with 503 "$base/$program/" -b "$tmp/jar"
  check "it has Retry-After" grep -qi '^retry-after:' "$tmp/head"
  check "it is a page of the site" shows '<h1>Not available at the moment</h1>'
  check "it does not change the cookie" sets_no_cookie
  check "a program gets JSON" eval 'responds_with 503 "$base/$program/" -b "$tmp/jar" -H "Accept: application/json" && shows "{"'
  check "a note that cannot be stored is not reported as stored" responds_with 503 "$base/$program/" -H "Origin: $base" -d note=lost
  check "without a cookie /$program/ responds" responds_with 200 "$base/$program/"
done
check "Redis starts again" start_store
for program in python node; do
  check "/$program/ shows the session again" eventually 20 eval 'responds_with 200 "$base/$program/redis_session_get" -b "$tmp/jar" && shows "kky<br>"'
done
check "Redis denied no command" [ -z "$(denied_commands)" ]
check "no log contains the session id" not grep -qF "$id" "$tmp"/{python,node}.log
for program in python node; do
  check "the log of $program is JSON" python3 -c 'import json, sys; assert [json.loads(line) for line in open(sys.argv[1])]' "$tmp/$program.log"
  stopped=0
  stop $program || stopped=$?
  check "at SIGTERM $program ends with status 0" [ "$stopped" = 0 ]
done

echo "## PHP"
for format in php php_serialize; do
  start_php "$format"
  restart_nginx
  for service in user-service task-service; do stop "$service"; done
  check "the services start with SESSION_FORMAT=$format" start_services SESSION_FORMAT=$format
  check "tests/integration.sh passes" tests/integration.sh "$base" PHPSESSID
  check "tests/php.sh passes" tests/php.sh "$base"
  check "Python and Node.js start with it" eval 'start_python SESSION_FORMAT=$format && start_node SESSION_FORMAT=$format'
  check "tests/polyglot.sh passes" tests/polyglot.sh "$base" PHPSESSID
  for program in php python node; do stop $program || true; done
done

start_php php REDIS_PASSWORD_FILE=
check "PHP cannot use Redis without its password" responds_with 500 "$base/php/redis_session_get.php"
check "Redis denied no command" [ -z "$(denied_commands)" ]
check "no log contains a password" no_password_in "$tmp"/*.log
summary
