#!/usr/bin/env bash
# Tests the alert rules, alone and on the stack: the real Prometheus and redis_exporter with the repository's configuration.
# shellcheck disable=SC2119 # arguments are optional
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build

# Prints the value of a JSON expression in Python about the reply of Prometheus, as `data`.
api() { # PATH EXPRESSION CURL_OPTION...
  curl -fsS --max-time 5 "${@:3}" "http://127.0.0.1:$prometheus_port/api/v1/$1" | python3 -c "import json, sys
data = json.load(sys.stdin)['data']
print($2)"
}
details() { [[ -v prometheus_port ]] || return 0; api alerts data; api targets "[(target['scrapeUrl'], target['lastError']) for target in data['activeTargets']]"; }
all_up() { [[ $(api targets "sorted(target['health'] for target in data['activeTargets'])") == "['up', 'up', 'up']" ]]; }
exists() { [[ $(api query "len(data['result'])" -G --data-urlencode "query=$1") -gt 0 ]]; } # QUERY
value() { [[ $(api query "data['result'][0]['value'][1]" -G --data-urlencode "query=$2") == "$1" ]]; } # VALUE QUERY
unhealthy() { api rules "[rule['name'] for group in data['groups'] for rule in group['rules'] if rule['health'] != 'ok']"; }
alerts() { api alerts "sorted({alert['labels']['alertname'] for alert in data['alerts']})"; } # pending or firing
alerts_are() { [[ $(alerts) == "$1" ]]; }
alerts_have() { [[ $(alerts) == *"'$1'"* ]]; } # ALERT

echo "## the rules alone"
tool() { promtool "$@" >>"$tmp/promtool.log" 2>&1; }
check "promtool check config" tool check config monitoring/prometheus.yml
check "promtool test rules" tool test rules monitoring/alerts.test.yml
for alert in $(sed -n 's/^ *- alert: //p' monitoring/alerts.yml); do
  check "$alert has a unit test" grep -qF "alertname=\"$alert\"" monitoring/alerts.test.yml
done
check "each alert says what to do" [ "$(grep -c ' - alert:' monitoring/alerts.yml)" = "$(grep -c ' action: ' monitoring/alerts.yml)" ]

echo "## on the stack"
start_stack
start_monitoring
check "Prometheus reaches the services and redis_exporter" eventually 20 all_up
check "redis_exporter reaches Redis" eventually 5 value 1 redis_up
check "no rule fails" eventually 10 eval '[[ $(unhealthy) == "[]" ]]'
while read -r event; do
  check "the events of the audit log are counted from the start: $event" exists "audit_events_total{event=\"$event\"}"
done < <(sed -n '/^### The audit log/,/^## /s/^| `\(.*\)` | .*/\1/p' docs/deployment.md)
check "build_info names the version" exists 'build_info{service="user-service",version!=""}'
check "no alert is pending or firing" alerts_are '[]'
post() { curl -sS --max-time 10 -o "$tmp/body" -H 'Sec-Fetch-Site: same-origin' -d id=anna -d name=Anna "${@:2}" "$base$1"; }
post /user/register -d 'password=battery horse 1'
post /user/login -d 'password=battery horse 1'
post /user/login -d 'password=wrong'
check "a sign-in that succeeds is counted" eventually 5 value 2 'sum(audit_events_total{event="signed in"})' # the registration, too
check "a sign-in that fails is counted" eventually 5 value 1 'sum(audit_events_total{event="authentication failed"})'
check "requests are counted by route" eventually 5 value 2 \
  'sum(http_server_request_duration_seconds_count{http_request_method="POST",http_route="/user/login"})'
queries() { api rules "*[rule['query'] for group in data['groups'] for rule in group['rules']]"; }
for metric in $(queries | grep -oE '\b(http_server|session|db_client|log|audit|redis)_[a-z_]+' | sort -u); do
  check "$metric, which an alert reads, exists" eventually 5 exists "$metric"
done
for command in 'info memory' dbsize 'slowlog get 10' 'latency latest'; do
  # shellcheck disable=SC2086 # split into words
  check "an operator may ask for ${command^^}" eval 'redis_monitor $command >"$tmp/body" 2>&1 && not grep -q NOPERM "$tmp/body"'
done
check "an operator may read no key" grep -q NOPERM <(redis_monitor get session:a 2>&1)
check "Redis denied no other command" [ "$(denied_commands)" = get ]

curl -sS -o "$tmp/body" -c "$tmp/jar" "$base/user/redis_session_set"
stop redis || true
read_sessions() { for _ in {1..5}; do curl -sS --max-time 5 -o "$tmp/body" -b "$tmp/jar" "$base/user/"; done; }
read_sessions
for alert in RedisGone SessionStoreUnavailable; do check "without Redis: $alert" eventually 15 alerts_have $alert; done
check "Redis starts again" start_store
check "the alerts end" eventually 30 eval 'not alerts_have RedisGone && not alerts_have SessionStoreUnavailable'
stop task-service || true
check "without task-service: ServiceGone" eventually 15 alerts_have ServiceGone
check "no log contains a password" no_password_in "$tmp"/*.log
summary
