#!/usr/bin/env bash
# Tests with curl that PHP and the services of a running deployment share one session: tests/php.sh BASE_URL
# The services must run with SESSION_FORMAT=php or php_serialize.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# == 1 ]] || { echo "usage: $0 BASE_URL" >&2; exit 2; }
base=${1%/}

request() { # BROWSER PATH CURL_OPTION...: each browser has a cookie jar
  curl -sS --max-time 10 -b "$tmp/$1" -c "$tmp/$1" -o "$tmp/body" -w '%{http_code}' "$base$2" "${@:3}" >"$tmp/status"
}
details() { echo "status $(cat "$tmp/status")"; head -n 40 "$tmp/body"; }
shows() { # BROWSER PATH NAME ID
  request "$1" "$2"
  [[ $(cat "$tmp/status") == 200 ]] && grep -qxF "사용자 이름 : $3<br>" "$tmp/body" && grep -qxF "사용자 아이디 : $4<br>" "$tmp/body"
}
one_cookie() { [[ $(grep -c PHPSESSID "$tmp/$1") == 1 && $(grep -vc '^#HttpOnly\|^# \|^$\|PHPSESSID' "$tmp/$1") == 0 ]]; }
php=/php/redis_session rust_set=/user/redis_session_set rust_get=/task/redis_session_get

check "PHP shows no user without a session" shows first ${php}_get.php '' ''
check "PHP sets the user" shows first ${php}_set.php 홍길동 kky
check "PHP shows the user" shows first ${php}_get.php 홍길동 kky
check "task-service shows the user that PHP set" shows first $rust_get 홍길동 kky
check "user-service changes PHP's session" shows first $rust_set 홍길동 kky
check "PHP reads the session that user-service wrote" shows first ${php}_get.php 홍길동 kky
check "the browser has one cookie" one_cookie first
check "user-service creates a session" shows second $rust_set 홍길동 kky
check "PHP shows the user that user-service set" shows second ${php}_get.php 홍길동 kky
check "PHP sets the user again" shows second ${php}_set.php 홍길동 kky
check "task-service shows the user" shows second $rust_get 홍길동 kky
check "the browser has one cookie" one_cookie second
check "PHP shows no user to another browser" shows third ${php}_get.php '' ''
check "task-service shows no user to another browser" shows third $rust_get '' ''
curl -sS -c "$tmp/third" -o "$tmp/body" -H "Origin: $base" -d "id=user-$RANDOM$RANDOM" -d name=Anna -d 'password=battery horse 1' "$base/user/register"
has() { request third "$1" && grep -qF "$2" "$tmp/body"; } # PATH TEXT
says() { request third /php/whoami.php -H 'X-Session-Name: admin' -H 'X_Session_Name: admin' && [[ $(cat "$tmp/status") == "$1" ]] && grep -qF "$2" "$tmp/body"; } # STATUS TEXT
check "a page without a library greets the user, whatever the client claims" says 200 '<h1>Hello, Anna!</h1>'
check "task-service knows a user who registered" has /task/ 'Signed in as <strong>Anna</strong>'
check "PHP sets the lecture's user instead" shows third ${php}_set.php 홍길동 kky
check "the page without a library asks to sign in" says 401 '<h1>Not signed in</h1>'
check "task-service knows the user no more" has /task/ '<h1>Draft tasks</h1>'
echo "# the card"
note() { curl -sS --max-time 10 -b "$tmp/$1" -c "$tmp/$1" -o "$tmp/body" -w '%{http_code}' -H "Origin: ${5:-$base}" -d "name=$3" --data-urlencode "value=$4" "$base/$2/note" >"$tmp/status"; } # BROWSER PROGRAM NAME VALUE [ORIGIN]
status() { [[ $(cat "$tmp/status") == "$1" ]]; }
contains() { grep -qF "$1" "$tmp/body"; }
card() { request "$1" "/$2/session.svg" && status 200; } # BROWSER PROGRAM
check "without a session PHP's card shows none" eval 'card cards php && contains "no session"'
check "PHP's card begins no session" not grep -q PHPSESSID "$tmp/cards"
note cards php color green https://elsewhere.example
check "a field of another site is rejected" eval 'status 403 && not grep -q PHPSESSID "$tmp/cards"'
note cards php Color green
check "an invalid name is rejected" status 422
note cards user color '<blue>'
check "user-service writes a field" status 303
note cards php color green
check "PHP writes a field" status 303
for program in php user task; do
  check "the card of $program shows both" eval 'card cards $program && contains ">user.color</text>" && contains ">php.color</text>" && grep -qE "&(lt|#60);blue&(gt|#62);" "$tmp/body"'
  check "it is XML" python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' "$tmp/body"
done
check "PHP shows the same as a page" eval 'request cards /php/fields.php && status 200 && contains "<code>user.color</code>" && contains "<code>&quot;green&quot;</code>"'
check "neither shows what the services store about the session" not contains _session
summary
