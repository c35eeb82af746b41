#!/usr/bin/env bash
# Tests what nginx adds to the responses of the services: security headers, rate limits and its own error pages. Runs the real
# nginx with the repository's configuration, the services, PHP, and an upstream that sets different headers.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
reserve_ports stub_port front_port
php_root=$tmp/www # the repository's pages and one more
mkdir "$php_root"
cp -r php "$php_root"
cat >"$php_root/php/redis_session_headers.php" <<'PHP'
<?php
header('Content-Security-Policy: default-src *');
header('X-Content-Type-Options: none');
header('Referrer-Policy: unsafe-url');
header('Cross-Origin-Opener-Policy: unsafe-none');
header('Cross-Origin-Resource-Policy: cross-origin');
header('Permissions-Policy: camera=*');
PHP

request() { status=$(curl -sS --max-time 10 -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "$@") || true; tr -d '\r' <"$tmp/raw" >"$tmp/head"; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
status_is() { [[ $status == "$1" ]]; }
responds_with() { request "${@:2}"; status_is "$1"; } # STATUS CURL_OPTION...
shows() { grep -qF -- "$1" "$tmp/body"; }
has_header() { # NAME VALUE: exactly once
  [[ $(grep -ciE "^$1:" "$tmp/head") == 1 ]] && grep -qixF "$1: $2" "$tmp/head"
}
policy="default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
has_security_headers() { # [POLICY]
  has_header Content-Security-Policy "${1:-$policy}" &&
    has_header X-Content-Type-Options nosniff && has_header Referrer-Policy same-origin && has_header Cross-Origin-Opener-Policy same-origin &&
    has_header Cross-Origin-Resource-Policy same-origin &&
    has_header Permissions-Policy 'camera=(), geolocation=(), microphone=(), payment=(), usb=()'
}
check_response() { # NAME STATUS CURL_OPTION...
  check "$1: $2" responds_with "${@:2}"
  check "$1: has each security header once" has_security_headers
}
# Whether the response is a page of nginx that its own Content-Security-Policy does not restrict.
is_nginx_page() { # HEADING
  has_header Content-Type 'text/html; charset=utf-8' && has_header Cache-Control no-store && shows '<html lang="en">' &&
    shows "<title>$1</title>" && shows "<h1>$1</h1>" && shows '</html>' && shows '/style.css">' &&
    not shows '<!--#' && not grep -qiE '<script|<style|style=| on[a-z]+=' "$tmp/body"
}
fits_every_form() { grep -qE 'href="/(user|task)/">Go to' "$tmp/body" && not shows 'href=""' && not grep -qi password "$tmp/body"; }
post() { request -d a=b "$@"; }
# The rate at which nginx admits further requests depends on time, so the tests check only that a burst passes and ends.
accepts() { # COUNT PATH CURL_OPTION...
  local i
  for ((i = 0; i < $1; i++)); do post "$base$2" "${@:3}"; not status_is 429 || return 1; done
}
reaches_limit() { # PATH CURL_OPTION...
  local i
  for i in {1..100}; do post "$base$1" "${@:2}"; if status_is 429; then return; fi; done
  return 1
}

# The requests of IPv6 clients come through a proxy that nginx trusts.
front_proxy=127.0.0.9
through_proxy() { "${@:2}" --interface $front_proxy -H "X-Forwarded-For: $1"; } # CLIENT COMMAND...
trusted_proxy=$front_proxy start_stack "
server {
    listen 127.0.0.1:$stub_port;
    location / {
        add_header Content-Security-Policy 'default-src *' always;
        add_header X-Content-Type-Options none always;
        add_header Referrer-Policy unsafe-url always;
        add_header Cross-Origin-Opener-Policy unsafe-none always;
        add_header Cross-Origin-Resource-Policy cross-origin always;
        add_header Permissions-Policy 'camera=*' always;
        add_header Cache-Control private always;
        add_header Retry-After 5 always;
        return 429 'the upstream\n';
    }
}
server {
    listen 127.0.0.1:$front_port;
    location / { proxy_pass http://127.0.0.1:$stub_port; }
}"

echo "## security headers and error pages"
check_response "a page" 200 "$base/user/login"
check "the first page: 200" responds_with 200 "$base/user/"
check "the first page may run a script of this host" has_security_headers "${policy/;/; script-src \'self\'; connect-src \'self\';}"
for program in user task python; do
  check "the card of $program: 200" responds_with 200 "$base/$program/session.svg"
  check "the card of $program may style itself and load nothing" \
    has_security_headers "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
done
check_response "a page of the lecture" 200 "$base/task/redis_session_get"
check_response "a stylesheet" 200 "$base/user/style.css"
check "a stylesheet may still be cached" has_header Cache-Control 'public, max-age=300'
check_response "a HEAD request" 200 -I "$base/task/"
check_response "an unknown path of a service" 404 "$base/user/elsewhere"
check_response "an unknown path of nginx" 404 "$base/elsewhere"
check "an unknown path of nginx: nginx's page" is_nginx_page 'Page not found'
check_response "the address of an error page" 404 "$base/nginx-pages/too-many.html"
check "the address of an error page: no Retry-After" not grep -qi '^retry-after:' "$tmp/head"
check_response "a temporary redirect" 302 "$base/"
check_response "a permanent redirect" 301 "$base/user"
check_response "nginx's health check" 200 "$base/nginx-health"
check_response "a method that a page does not support" 405 -X DELETE -H 'Sec-Fetch-Site: same-origin' "$base/user/"
check_response "a form of another site" 403 -d id=anna -H 'Origin: http://elsewhere.example' "$base/user/logout"
check_response "an invalid Host header" 400 -H 'Host: a/b' "$base/"
check_response "a body that is too large" 413 -d "$(printf 'a%.0s' {1..70000})" "$base/user/"
check "a body that is too large: nginx's page" is_nginx_page 'Request too large'
check_response "PHP while it is not running" 502 "$base/php/redis_session_get.php"
start_php php
check_response "a PHP page" 200 "$base/php/redis_session_get.php"
check_response "a PHP page that sets different headers" 200 "$base/php/redis_session_headers.php"
check_response "an upstream that sets different headers" 429 "http://127.0.0.1:$front_port/"
check "the upstream's body is unchanged" shows 'the upstream'
check "the upstream's Cache-Control is unchanged" has_header Cache-Control private
check "the upstream's Retry-After is unchanged" has_header Retry-After 5
is_ready() { responds_with 200 --interface "$monitor" "$base/readyz"; }
is_not_ready() { responds_with 503 --interface "$monitor" "$base/readyz"; }
check "a monitor sees that both services are ready" is_ready
check_response "anybody else sees no readiness" 404 "$base/readyz"
check "anybody else sees nginx's page" is_nginx_page 'Page not found'
check_response "nobody asks one service" 404 --interface "$monitor" "$base/nginx-user-readiness"
stop user-service || true
check "a monitor sees that user-service is stopped" is_not_ready
check "user-service starts again" start_service user-service "$user_port"
check "the services are ready again" eventually 20 is_ready
stop redis || true
check "a monitor sees what users see without Redis" eventually 10 is_not_ready
check "the response has each security header once" has_security_headers
eventually 10 responds_with 503 "$base/task/" -b "sid=$unissued" || true
check "a service without Redis: 503" status_is 503
check "a service without Redis: has each security header once" has_security_headers
check "a service without Redis: its own page, not nginx's" not is_nginx_page 'Service unavailable'
stop task-service || true
check_response "a stopped service" 502 "$base/task/"
check "a stopped service: nginx's page" is_nginx_page 'Service unavailable'
check_response "a form for a stopped service" 502 -d secret-password=secret -e "$base/secret-referrer" "$base/task/?secret-query"
check "a form for a stopped service: nginx's page" is_nginx_page 'Service unavailable'
logged() { grep -F "$1" "$tmp/nginx.log" | grep -qF "$2"; }
check "nginx logs the form's original method and path" logged '"path":"/task/","status":502' '"method":"POST"'
check "nginx logs no query, referrer or body" not grep -q secret "$tmp/nginx.log"

echo "## slow clients"
hold() { # NAME SOURCE COUNT TEXT: holds connections with half a request
  start "$1" python3 tests/hold.py "$2" "$port" "$3" "$4"
  comes_up "$1" 20 grep -qx held "$tmp/$1.log"
}
served_to() { responds_with 200 --max-time 3 --interface "$1" "$base/nginx-health" && responds_with 200 --max-time 3 --interface "$1" "$base/user/"; }
many=$(($(nproc) * 1024 + 500)) # more than nginx takes by default
check "$many requests are sent in half" hold heads 127.0.0.4 $many 'GET /user/ HTTP/1.1\r\nHost: a\r\n'
check "another address is served meanwhile" served_to 127.0.0.1
check "100 bodies are sent in half" hold bodies 127.0.0.5 100 'GET /user/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc'
check "the address may have no further request in progress" eventually 3 responds_with 429 --interface 127.0.0.5 "$base/user/"
check "the response is nginx's page" is_nginx_page 'Too many requests'
check "another address is served meanwhile" served_to 127.0.0.1
all_closed() { grep -q '^open: 0,' "$tmp/$1.log"; }
check "nginx closes the connections with half a head" eventually 15 all_closed heads
check "nginx closes the connections with half a body" eventually 15 all_closed bodies
check "the address is served again" served_to 127.0.0.5

ipv6_body='GET /user/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 2001:db8:7::1\r\nContent-Length: 10\r\n\r\nabc'
check "100 bodies of an IPv6 address are sent in half" hold ipv6 $front_proxy 100 "$ipv6_body"
check "its /64 may have no further request in progress" eventually 3 through_proxy 2001:db8:7::2 responds_with 429 "$base/user/"
check "another /64 is served" through_proxy 2001:db8:7:1::1 responds_with 200 "$base/user/"

echo "## rate limits"
check "21 sign-in attempts pass" accepts 21 /user/login
check "further sign-in attempts are limited" reaches_limit /user/login
for path in /user/password /user/delete /user/sessions/revoke /user/sessions/revoke-others; do
  check "forms that check a password share the limit: $path" eventually 5 responds_with 429 -d a=b "$base$path"
done
check "the response has each security header once" has_security_headers
check "the response is nginx's page" is_nginx_page 'Too many requests'
check "the response has Retry-After" has_header Retry-After 60
check "the page fits every form, and its link is not the form's address" fits_every_form
check "11 registrations pass" accepts 11 /user/register
check "further registrations are limited" reaches_limit /user/register
for path in /user/%6cogin /user//login /user/./login '/user/login?a' /user/x/../login; do
  check "another spelling of the path is limited: $path" eventually 5 responds_with 429 --path-as-is -d a=b "$base$path"
done
check "X-Forwarded-For does not avoid the limit" eventually 5 responds_with 429 -d a=b -H 'X-Forwarded-For: 192.0.2.1' "$base/user/login"
request "$base/user/login"
check "the sign-in page itself is not limited" not status_is 429
check "other forms are not limited" not eventually 1 responds_with 429 -d a=b "$base/user/elsewhere"
post --interface 127.0.0.2 "$base/user/login"
check "another client address is not limited" not status_is 429
check "21 other forms pass" accepts 21 /task/ --interface 127.0.0.3
check "further forms are limited" reaches_limit /task/ --interface 127.0.0.3
# on a busy machine the limit may let one more request through; a limit of its own would let 20
for program in user python node; do
  check "the lecture's page of $program that creates sessions shares the limit" eventually 2 responds_with 429 --interface 127.0.0.3 "$base/$program/redis_session_set"
done
check "pages are not limited" not responds_with 429 --interface 127.0.0.3 "$base/task/"
network_reaches_limit() { # NETWORK PATH: each request from another address
  local i
  for i in {2..150}; do through_proxy "$1::$i" post "$base$2"; if status_is 429; then return; fi; done
  return 1
}
for limit in '21 /user/login' '11 /user/register' '100 /task/'; do
  path=${limit#* }
  check "$path: ${limit% *} forms of an IPv6 address pass" through_proxy 2001:db8::1 accepts "${limit% *}" "$path"
  check "$path: further ones of its /64 are limited" network_reaches_limit 2001:db8 "$path"
  check "$path: another /64 is not limited" through_proxy 2001:db8:0:1::1 accepts 1 "$path"
done
check "21 sign-in attempts of an IPv4 address written as IPv6 pass" through_proxy ::ffff:192.0.2.1 accepts 21 /user/login
check "it is limited however it is written" through_proxy 192.0.2.1 reaches_limit /user/login
check "another one is not limited" through_proxy ::ffff:192.0.2.2 accepts 21 /user/login
check "nginx logs the limited requests" logged '"path":"/user/login","status":429' '"method":"POST"'

echo "## access log"
request "$base/user/login" -d a=b -H $'Host: \xff'
request "$base/user/login" -d a=b -H 'Host: "\'
request --request-target $'/task/\xff\xe2' "$base"
request --request-target $'/task/\xff/../elsewhere?\xff' "$base"
is_json() { grep '^{' "$1" | python3 -c 'import json, sys; [json.loads(line.decode()) for line in sys.stdin.buffer]'; } # FILE
check "each line is JSON in UTF-8, whatever a client sent" is_json "$tmp/nginx.log"
check "a host in other bytes is logged as ?" logged '"host":"?","method":"POST","path":"/user/login"' '"status"'
check "a path is logged up to such bytes" logged '"path":"/task/?"' '"status"'
summary
