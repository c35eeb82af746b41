#!/usr/bin/env bash
# Tests HTTPS with the real nginx: behind a proxy that ends TLS, and with nginx as the end of TLS and a self-signed certificate.
# shellcheck disable=SC2119 # arguments are optional
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
reserve_ports tls_port
https=https://localhost:$tls_port set=/user/redis_session_set get=/task/redis_session_get

request() { status=$(curl -sS --max-time 10 --cacert "$tmp/cert.pem" -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "$@") || true; tr -d '\r' <"$tmp/raw" >"$tmp/head"; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
status_is() { [[ $status == "$1" ]]; }
sets_secure_cookie() { grep -qiE '^set-cookie: [^;]+=.*; *secure(;|$)' "$tmp/head"; }
sets_insecure_cookie() { grep -qi '^set-cookie:' "$tmp/head" && not sets_secure_cookie; }
has_header() { [[ $(grep -ciE "^$1:" "$tmp/head") == 1 ]] && grep -qixF "$1: $2" "$tmp/head"; } # NAME VALUE: exactly once
has_no_hsts() { not grep -qi '^strict-transport-security:' "$tmp/head"; }
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/openssl.log"

echo "## behind a proxy that ends TLS"
proxy=127.0.0.2
trusted_proxy=$proxy start_stack
request "$base$set" --interface $proxy -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-For: 192.0.2.7'
check "the cookie is Secure if a trusted proxy says https" sets_secure_cookie
check "nginx does not decide about HSTS" has_no_hsts
check "nginx logs the client's address" grep -q '"client":"192.0.2.7"' "$tmp/nginx.log"
request "$base$set" --interface $proxy -H 'X-Forwarded-Proto: HTTPS'
check "the scheme may be in capitals" sets_secure_cookie
request "$base$set" --interface $proxy -H 'X-Forwarded-Proto: http'
check "the cookie is not Secure if the proxy says http" sets_insecure_cookie
request "$base$set" --interface $proxy
check "the cookie is not Secure if the proxy says nothing" sets_insecure_cookie
request "$base$set" --interface $proxy -H 'X-Forwarded-Proto: gopher'
check "an unknown scheme is not passed on" sets_insecure_cookie
request "$base$set" -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-For: 192.0.2.8' -H 'Forwarded: proto=https'
check "nobody else can claim https" sets_insecure_cookie
check "nobody else can claim an address" not grep -q 192.0.2.8 "$tmp/nginx.log"
request "$base$set" -H 'X-Forwarded-Proto: https' -H "X-Forwarded-For: $proxy"
check "nobody else can claim to be the proxy" sets_insecure_cookie

echo "## nginx ends TLS"
stop nginx || true
for service in user-service task-service; do stop "$service" || true; done
check "the services start with SESSION_COOKIE_SECURE=always" start_services SESSION_COOKIE_SECURE=always
nginx_conf <<<'include tls.conf;'
sed -e "s|listen 8443|listen 127.0.0.1:$tls_port|; s|listen 8080|listen 127.0.0.1:$port|; s|/etc/nginx/tls/fullchain.pem|$tmp/cert.pem|" \
  -e "s|/etc/nginx/tls/privkey.pem|$tmp/key.pem|; s|php:9000|127.0.0.1:$php_port|; s|python:8080|127.0.0.1:$python_port|; s|node:8080|127.0.0.1:$node_port|; s|/etc/nginx/stack|$tmp/nginx|; s|example.com|localhost|" \
  nginx/tls.conf.example >"$tmp/nginx/tls.conf"
check "nginx starts with tls.conf.example" run_nginx
request "$https$set" -c "$tmp/jar"
check "a page is served" status_is 200
check "the cookie is __Host-sid" grep -qiE '^set-cookie: __Host-sid=[0-9a-z]{48};' "$tmp/head"
check "the cookie is Secure" sets_secure_cookie
check "the cookie is for the whole host" grep -qiE '^set-cookie: .*; *path=/(;|$)' "$tmp/head"
check "the cookie has no domain" not grep -qiE '^set-cookie: .*domain' "$tmp/head"
check "the response has HSTS" has_header Strict-Transport-Security "max-age=31536000; includeSubDomains"
request "$https$get" -b "$tmp/jar"
check "the session is shown" grep -qF '사용자 아이디 : kky<br>' "$tmp/body"
request "$https/user/login" -d id=nobody -d password=wrong -H "Origin: $https"
check "a form of the site is accepted" status_is 401
request "$https/elsewhere"
check "nginx's own page has HSTS" has_header Strict-Transport-Security "max-age=31536000; includeSubDomains"
request "http://localhost:$port/task/?from=20"
check "http redirects to https" has_header Location "https://localhost/task/?from=20"
request "http://127.0.0.1:$port/task/?from=20" -H 'Host: elsewhere.example'
check "the redirect never leads to another host" has_header Location "https://localhost/task/?from=20"
check "the redirect keeps the method" status_is 308
check "the redirect has no HSTS, which browsers would ignore" has_no_hsts
request "http://localhost:$port$set"
check "no cookie is sent over http" not grep -qi '^set-cookie:' "$tmp/head"
summary
