#!/usr/bin/env bash
# The stack without containers: the real nginx and Redis with the repository's configuration, and the services just built.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
PATH=$PATH:/usr/sbin
build
redis_port=$(free_port) user_port=$(free_port) task_port=$(free_port) port=$(free_port) php_port=$(free_port)
base=http://127.0.0.1:$port get=/task/redis_session_get set=/user/redis_session_set
export SESSION_STORE=redis://127.0.0.1:$redis_port/0

start_service() { # BINARY[.WHICH] PORT [VARIABLE=VALUE...]
  start "$1" env BIND="127.0.0.1:$2" LOG_FORMAT=json "${@:3}" "$bin/${1%.*}"
  eventually 20 answers "http://127.0.0.1:$2/healthz"
}
visit() { status=$(curl -sS --max-time 10 -D "$tmp/head" -o "$tmp/body" -w '%{http_code}' "$@") || true; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
is() { [[ $status == "$1" ]]; }
answers_with() { visit "${@:2}"; is "$1"; } # STATUS CURL_OPTION...
says() { grep -qF -- "$1" "$tmp/body"; }
keeps_cookie() { not grep -qi '^set-cookie:' "$tmp/head"; }
shows_session() { visit -b "$tmp/jar" "$base$get" && is 200 && says '사용자 아이디 : kky<br>'; }

echo "## the stack starts"
# A service need not find Redis: it starts without, and says that it is not ready.
start_service user-service "$user_port"
check "without Redis a service is alive" answers "http://127.0.0.1:$user_port/healthz"
check "but not ready" answers_with 503 "http://127.0.0.1:$user_port/readyz"
check "Redis starts" start_redis "$redis_port"
check "and the service is ready" eventually 20 answers "http://127.0.0.1:$user_port/readyz"
check "the other service starts" start_service task-service "$task_port"
cp -r nginx "$tmp/nginx"
cat >"$tmp/nginx/deployment.conf" <<CONF
upstream user { zone user 64k; server 127.0.0.1:$user_port; keepalive 16; keepalive_timeout 4s; }
upstream task { zone task 64k; server 127.0.0.1:$task_port; keepalive 16; keepalive_timeout 4s; }
server {
    listen 127.0.0.1:$port default_server;
    set \$php 127.0.0.1:$php_port;
    set \$php_root $PWD;
    include routes.conf;
}
CONF
start nginx nginx -p "$tmp/nginx" -e stderr -c "$tmp/nginx/nginx.conf" -g 'daemon off;'
check "nginx starts" eventually 20 answers "$base/nginx-health"
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
  redis-cli -p "$redis_port" info persistence | grep rdb_changes_since_last_save # every write counts, to any key
  redis-cli -p "$redis_port" dbsize
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
stop redis || true
eventually 10 answers_with 503 "$base$get" -b "$tmp/jar" || true
check "without Redis a visitor with a cookie gets 503" is 503
check "and is told when to come again" grep -qi '^retry-after:' "$tmp/head"
check "and keeps the cookie" keeps_cookie
check "a visitor without one is served" answers_with 200 "$base$get"
check "Redis starts again" start_redis "$redis_port"
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
redis-cli -p "$redis_port" client pause 2000 >/dev/null
start in-flight curl -sS --max-time 10 -b "$tmp/jar" "http://127.0.0.1:$patient_port$get"
sleep 0.5
stopped=0
stop task-service.patient || stopped=$?
check "at SIGTERM a service ends with status 0" [ "$stopped" = 0 ]
wait "${pids[in-flight]}" || true
check "after the request that was on its way" grep -qF '사용자 아이디 : kky<br>' "$tmp/in-flight.log"

echo "## PHP in the same session"
for format in php php_serialize; do
  cat >"$tmp/php-fpm.conf" <<CONF
[global]
error_log = $tmp/php.log
[www]
listen = 127.0.0.1:$php_port
user = nobody
pm = static
pm.max_children = 2
clear_env = no
php_value[session.serialize_handler] = $format
CONF
  start php env REDIS_HOST=127.0.0.1 REDIS_PORT="$redis_port" \
    "$(php_fpm)" --nodaemonize --allow-to-run-as-root --fpm-config "$tmp/php-fpm.conf"
  for service in user-service task-service; do stop "$service"; done
  check "a service starts with SESSION_FORMAT=$format" start_service user-service "$user_port" SESSION_FORMAT=$format
  check "and the other" start_service task-service "$task_port" SESSION_FORMAT=$format
  check "tests/integration.sh" tests/integration.sh "$base" PHPSESSID
  check "tests/php.sh" tests/php.sh "$base"
  stop php || true
done
summary
