#!/usr/bin/env bash
# Tests programs without a library: the page of the stack, and each example of docs/forward-auth.md with the real proxy, which asks
# user-service who is signed in.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
PATH=$PATH:${CARGO_TARGET_DIR:-target}/proxies/bin
for program in caddy traefik envoy; do
  command -v $program >/dev/null || { echo "missing: $program; ./test.sh installs it" >&2; exit 1; }
done

request() { # CURL_OPTION...
  status=$(curl -sS --max-time 10 -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "$@") || true
  tr -d '\r' <"$tmp/raw" >"$tmp/head"
}
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
shows() { grep -qF -- "$1" "$tmp/body"; }
responds_with() { request "${@:2}"; [[ $status == "$1" ]]; } # STATUS CURL_OPTION...
has_header() { grep -qiE "^$1: *$2\$" "$tmp/head"; } # NAME PATTERN
greets() { [[ $status == 200 ]] && shows "<h1>Hello, $1!</h1>"; }

# The program: the page of the stack, and the names and values that it got.
mkdir -p "$tmp/www/php"
cp php/* "$tmp/www/php"
cat >"$tmp/www/php/redis_session_claims.php" <<'PHP'
<?php
foreach ($_SERVER + getallheaders() as $name => $value) {
    if (stripos($name, 'session') !== false && is_string($value)) {
        echo "$name=$value\n";
    }
}
PHP
{ cat "$tmp/www/php/redis_session_claims.php"; echo '?>'; cat php/whoami.php; } >"$tmp/www/php/whoami.php"
php_root=$tmp/www
reserve_ports program_port nginx_port caddy_port traefik_port envoy_port
python_port=$program_port # for the stack, the program is in Python
make_secrets && start_store && start_services SESSION_CACHE=2s && start_nginx
start_php php
start program php -S "127.0.0.1:$program_port" "$tmp/www/php/whoami.php"

# The examples, each on a port of its own.
example() { # HEADING PORT: prints the example
  sed -n "/^### $1\$/,/^### /p" docs/forward-auth.md | sed -n '/^```[a-z]/,/^```$/p' | sed '1d; $d' |
    sed -E "s/(:|127\.0\.0\.1, port_value: )8080\b/\1$2/; s/(:|127\.0\.0\.1, port_value: )8081\b/\1$user_port/; s/(:|127\.0\.0\.1, port_value: )9000\b/\1$program_port/"
}
mkdir "$tmp/example"
{
  echo 'pid nginx.pid; events {} http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;'
  echo 'uwsgi_temp_path uwsgi; scgi_temp_path scgi;'
  example nginx "$nginx_port"
  echo '}'
} >"$tmp/example/nginx.conf"
example Caddy "$caddy_port" | cat <(printf '{\n\tadmin off\n}\n') - >"$tmp/example/Caddyfile"
example Traefik "$traefik_port" >"$tmp/example/dynamic.yml"
example Envoy "$envoy_port" >"$tmp/example/envoy.yml"
start nginx-example nginx -p "$tmp/example" -e stderr -c nginx.conf -g 'daemon off;'
start caddy env XDG_DATA_HOME="$tmp" XDG_CONFIG_HOME="$tmp" caddy run --adapter caddyfile --config "$tmp/example/Caddyfile"
start traefik traefik --global.checkNewVersion=false --entryPoints.web.address="127.0.0.1:$traefik_port" \
  --providers.file.filename="$tmp/example/dynamic.yml"
start envoy envoy --disable-hot-restart --concurrency 1 --log-level warning -c "$tmp/example/envoy.yml"
urls=("stack $base/php/whoami.php") # NAME URL
for proxy in nginx caddy traefik envoy; do
  port_of_proxy=${proxy}_port
  process=$proxy
  [[ $proxy != nginx ]] || process=nginx-example
  check "the example for $proxy starts" comes_up "$process" 20 responds "http://127.0.0.1:${!port_of_proxy}/user/style.css"
  urls+=("$proxy http://127.0.0.1:${!port_of_proxy}/reports/")
done

# The visitors: a user, and one whose session lacks the name.
for browser in named nameless; do
  request "$base/user/register" -c "$tmp/$browser" -H 'Sec-Fetch-Site: same-origin' \
    -d "id=$browser" --data-urlencode 'name=홍길동 <b>%41' -d 'password=battery horse 1'
  check "the user $browser registers" [ "$status" = 303 ]
done
greeting='홍길동 &lt;b&gt;%41'
handle_of() { admin --scan --pattern 'session:*' | while read -r key; do
  if [[ $(admin type "$key") == string && $(admin get "$key") == *'"userid":"'$1'"'* ]]; then echo "$key"; fi
done; }
key=$(handle_of nameless)
admin set "$key" "$(admin get "$key" | sed 's/"username":"[^"]*",\{0,1\}//')" keepttl >/dev/null

# The header and its value as a client may write them. CGI takes hyphens and underscores for the same.
claim() { # NAME...: sets $claims
  local name spelling
  claims=()
  for name; do
    for spelling in "X-Session-$name" "x-session-${name,}" "X-SESSION-${name^^}" "X_Session_$name" "X-Session_$name" "X_Session-$name" "x_session_${name,}"; do
      claims+=(-H "$spelling: admin")
    done
  done
}
cookie_of() { awk '$6 == "sid" { print "sid=" $7 }' "$tmp/$1"; } # a cookie jar is for one host and port
named=$(cookie_of named) nameless=$(cookie_of nameless)

# How often Redis was asked for a session.
reads() { admin info commandstats | awk -F '[:=,]' '/^cmdstat_(get|getex|eval|evalsha):/ { sum += $3 } END { print sum + 0 }'; }
costs() { # COMMANDS CURL_OPTION...
  local before
  before=$(reads)
  request "${@:2}"
  [[ $(($(reads) - before)) == "$1" ]]
}

for entry in "${urls[@]}"; do
  name=${entry% *} url=${entry#* }
  echo "## $name"
  case $name in
    stack | nginx) claim User Name ;; # nginx removes what its configuration names
    *) claim User Name Role ;;
  esac
  request "$url"
  check "a visitor who is not signed in gets 401" [ "$status" = 401 ]
  check "a proxy does not hide the challenge" has_header www-authenticate Cookie
  if [[ $name != nginx ]]; then check "the page leads to the sign-in" grep -qE 'href="/user/login[^"]*">Sign in</a>' "$tmp/body"; fi
  request "$url" "${claims[@]}"
  check "whatever the visitor claims" [ "$status" = 401 ]
  request "$url" -b "$named"
  check "a user is greeted by name" greets "$greeting"
  check "the program learns the account" grep -qE '^HTTP_X_SESSION_USER=[0-9A-Za-z_-]+$' "$tmp/body"
  check "it is not cached" has_header cache-control no-store
  request "$url" -b "$named" -d a=b
  check "a form reaches the program" greets "$greeting"
  check "the cache answers for a page" eventually 10 costs 0 "$url" -b "$named"
  check "and the page is the same" greets "$greeting"
  check "Redis is asked for a form" costs 1 "$url" -b "$named" -d a=b
  check "the cache answers again" eventually 10 costs 0 "$url" -b "$named"
  check "Redis is asked for a form that claims to be a page" costs 1 "$url" -b "$named" -d a=b -H 'X-Forwarded-Method: GET'
  request "$url" -b "$named" "${claims[@]}"
  check "claims change nothing" greets "$greeting"
  check "they do not reach the program" not shows admin
  request "$url" -b "$nameless" "${claims[@]}"
  check "where the session has no name, they make none" [ "$status" = 401 ]
  check "they do not reach the program either" not shows admin
  for connection in X-Session-Name 'close, X-Session-Name, X-Session-User'; do
    request "$url" -b "$named" "${claims[@]}" -H "Connection: $connection"
    check "nor with 'Connection: $connection'" not shows admin
  done
done
claim User Name
check "a page that asks nobody gets no claim" eval \
  'responds_with 200 "$base/php/redis_session_claims.php" -b "$named" "${claims[@]}" && not shows admin && not shows HTTP_X_SESSION'
check "nor does a program behind nginx that asks nobody" eval \
  'responds_with 401 "$base/python/" -b "$named" "${claims[@]}" && not shows admin && not shows HTTP_X_SESSION'
for path in /auth /nginx-forward-auth /php/elsewhere.php /php/; do
  check "nobody else asks: $path is not found" responds_with 404 "$base$path" -b "$named"
done
check "nobody else asks nginx of the example" responds_with 404 "http://127.0.0.1:$nginx_port/auth" -b "$named"
request --request-target '/php/./whoami.php?a"b<c' "$base"
check "the sign-in leads back, whatever the address" grep -qF 'href="/user/login?next=/php/./whoami.php">' "$tmp/body"

metrics=$(curl -sS --max-time 10 "http://127.0.0.1:$user_port/metrics")
reports() { awk -v name="session_cache_$1" '$1 == name { value = $2 } END { exit !('"value $2"') }' <<<"$metrics"; } # NAME CONDITION
check "the cache counts what it served" reports hits_total '> 0'
check "it counts what it asked Redis for" reports misses_total '> 0'
check "it counts what Redis told" reports invalidations_total '> 0'
check "it reports its size" reports size_bytes '> 0'
check "it reports its lag" reports lag_seconds_count '> 0'
check "it reports that it is on" reports off '== 0'

echo "## a session that cannot be read"
key=$(handle_of named)
record=$(admin get "$key")
admin set "$key" '{' keepttl >/dev/null
check "the stack responds with 500" responds_with 500 "$base/php/whoami.php" -b "$named"
check "the page does not speak of an outage" shows '<h1>Something went wrong</h1>'
admin set "$key" "$record" keepttl >/dev/null

echo "## without Redis"
stop redis || true
for entry in "${urls[@]}"; do
  name=${entry% *} url=${entry#* }
  check "$name: a user gets 503" eventually 10 responds_with 503 "$url" -b "$named" "${claims[@]}"
  check "$name: the response has Retry-After" has_header retry-after 1
  check "$name: a visitor without a cookie gets 401" responds_with 401 "$url"
done
check "the stack's page says that nobody was signed out" eval 'request "$base/php/whoami.php" -b "$named" && shows "You stay signed in."'
stop user-service || true
check "without user-service the stack responds with 503" responds_with 503 "$base/php/whoami.php" -b "$named"
check "Redis starts again" start_store
check "user-service starts again" start_service user-service "$user_port"
for entry in "${urls[@]}"; do
  url=${entry#* }
  check "${entry% *}: the user is greeted again" eventually 10 eval 'request "$url" -b "$named" && greets "$greeting"'
done
check "Redis denied nothing that the services need" [ -z "$(denied_commands)" ]
check "no log contains the session id" not grep -qF "${named#sid=}" "$tmp"/*.log
summary
