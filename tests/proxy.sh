#!/usr/bin/env bash
# What nginx adds to whatever the services say: headers for browsers, a limit on tries, and pages of its own. The real nginx with
# the repository's configuration, before the services, PHP, and an upstream that says something else.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
stub_port=$(free_port) front_port=$(free_port)
php_root=$tmp/www # with a page more
mkdir "$php_root"
cp -r php "$php_root"
cat >"$php_root/php/redis_session_headers.php" <<'PHP'
<?php
header('Content-Security-Policy: default-src *');
header('X-Content-Type-Options: none');
header('Referrer-Policy: unsafe-url');
header('Cross-Origin-Opener-Policy: unsafe-none');
PHP

visit() { status=$(curl -sS --max-time 10 -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "$@") || true; tr -d '\r' <"$tmp/raw" >"$tmp/head"; }
details() { echo "status $status"; cat "$tmp/head" "$tmp/body"; }
is() { [[ $status == "$1" ]]; }
answers_with() { visit "${@:2}"; is "$1"; } # STATUS CURL_OPTION...
says() { grep -qF -- "$1" "$tmp/body"; }
header() { # NAME VALUE: this one, once
  [[ $(grep -ciE "^$1:" "$tmp/head") == 1 ]] && grep -qixF "$1: $2" "$tmp/head"
}
headers() {
  header Content-Security-Policy "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'" &&
    header X-Content-Type-Options nosniff && header Referrer-Policy same-origin && header Cross-Origin-Opener-Policy same-origin
}
answer() { # WHAT STATUS CURL_OPTION...
  check "$1: $2" answers_with "${@:2}"
  check "$1: the four headers, once each" headers
}
# What nginx says itself: a page that the policy lets be as it is meant.
own_page() { # SENTENCE
  header Content-Type 'text/html; charset=utf-8' && header Cache-Control no-store && says "<h1>$1</h1>" && says '<html lang="en">' &&
    says '<link rel="stylesheet" href="/user/style.css">' && not grep -qiE '<script|<style|style=| on[a-z]+=' "$tmp/body"
}
post() { visit -d a=b "$@"; }
# The first so many are let through, and then there is an end to it; how soon more are let through is nginx's to know.
let_through() { # COUNT PATH CURL_OPTION...
  local i
  for ((i = 0; i < $1; i++)); do post "$base$2" "${@:3}"; not is 429 || return 1; done
}
held_back() { # PATH CURL_OPTION...
  local i
  for i in {1..100}; do post "$base$1" "${@:2}"; if is 429; then return; fi; done
  return 1
}

start_stack "
server {
    listen 127.0.0.1:$stub_port;
    location / {
        add_header Content-Security-Policy 'default-src *' always;
        add_header X-Content-Type-Options none always;
        add_header Referrer-Policy unsafe-url always;
        add_header Cross-Origin-Opener-Policy unsafe-none always;
        add_header Cache-Control private always;
        add_header Retry-After 5 always;
        return 429 'the upstream\n';
    }
}
server {
    listen 127.0.0.1:$front_port;
    location / { proxy_pass http://127.0.0.1:$stub_port; }
}"

echo "## every answer has the headers"
answer "a page" 200 "$base/user/"
answer "a page of the lecture" 200 "$base/task/redis_session_get"
answer "a style sheet" 200 "$base/user/style.css"
check "which is still to be kept" header Cache-Control 'public, max-age=300'
answer "HEAD" 200 -I "$base/task/"
answer "what a service has not" 404 "$base/user/elsewhere"
answer "what nginx has not" 404 "$base/elsewhere"
check "on a page of nginx's own" own_page 'Page not found'
answer "nginx's own page, under its name" 404 "$base/nginx-pages/too-many.html"
check "which says nothing of when to come again" not grep -qi '^retry-after:' "$tmp/head"
answer "a redirect for now" 302 "$base/"
answer "a redirect for good" 301 "$base/user"
answer "nginx's health" 200 "$base/nginx-health"
answer "a method that a page has not" 405 -X DELETE -H 'Sec-Fetch-Site: same-origin' "$base/user/"
answer "a form of another site" 403 -d id=anna -H 'Origin: http://elsewhere.example' "$base/user/logout"
answer "no HTTP" 400 -H 'Host: a/b' "$base/"
answer "too much" 413 -d "$(printf 'a%.0s' {1..70000})" "$base/user/"
check "on a page of nginx's own" own_page 'That was too much at once'
answer "PHP that is not there" 502 "$base/php/redis_session_get.php"
start_php php
answer "a page in PHP" 200 "$base/php/redis_session_get.php"
answer "PHP that says otherwise" 200 "$base/php/redis_session_headers.php"
answer "an upstream that says otherwise" 429 "http://127.0.0.1:$front_port/"
check "in its own words" says 'the upstream'
check "and keeps what else it says" header Cache-Control private
check "and when to come again" header Retry-After 5
stop redis || true
eventually 10 answers_with 503 "$base/task/" -b "sid=$unissued" || true
check "a service that answers 503" is 503
check "has the headers too" headers
check "in its own words" not own_page 'The service cannot be reached'
stop task-service || true
answer "a service that is gone" 502 "$base/task/"
check "on a page of nginx's own" own_page 'The service cannot be reached'
answer "a service that is gone, for a form" 502 -d secret-password=secret -e "$base/secret-referrer" "$base/task/?secret-query"
check "on a page of nginx's own" own_page 'The service cannot be reached'
logged() { grep -F "$1" "$tmp/nginx.log" | grep -qF "$2"; }
check "which is logged as it was asked" logged '"path":"/task/","status":502' '"method":"POST"'
check "without what was sent" not grep -q secret "$tmp/nginx.log"

echo "## a limit on tries"
check "21 sign in" let_through 21 /user/login
check "and then it is enough" held_back /user/login
check "also where a password is changed" held_back /user/password
check "with the four headers" headers
check "on a page of nginx's own" own_page 'Too many tries in a short time'
check "which says when to come again" header Retry-After 60
check "11 register, meanwhile" let_through 11 /user/register
check "and then it is enough" held_back /user/register
for path in /user/%6cogin /user//login /user/./login '/user/login?a' /user/x/../login; do
  check "another spelling is no way round: $path" eventually 5 answers_with 429 --path-as-is -d a=b "$base$path"
done
check "nor is a claimed address" eventually 5 answers_with 429 -d a=b -H 'X-Forwarded-For: 192.0.2.1' "$base/user/login"
visit "$base/user/login"
check "the form can still be looked at" not is 429
check "and other forms be sent" not eventually 1 answers_with 429 -d a=b "$base/user/elsewhere"
post --interface 127.0.0.2 "$base/user/login"
check "another address is not held back" not is 429
check "another address may write" let_through 21 /task/ --interface 127.0.0.3
check "a hundred times, and then it is enough" held_back /task/ --interface 127.0.0.3
check "nor does the lecture's page begin more sessions" answers_with 429 --interface 127.0.0.3 "$base/user/redis_session_set"
check "and all can be looked at still" not answers_with 429 --interface 127.0.0.3 "$base/task/"
check "the log has the limit" logged '"path":"/user/login","status":429' '"method":"POST"'
summary
