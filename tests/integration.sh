#!/usr/bin/env bash
# Tests a running deployment with curl: tests/integration.sh BASE_URL [COOKIE_NAME]
# It uses the lecture's pages: the first stores the user `kky` in the session, and the second, at the other service, shows it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# == [12] ]] || { echo "usage: $0 BASE_URL [COOKIE_NAME]" >&2; exit 2; }
base=${1%/} cookie=${2:-sid}
set=/user/redis_session_set get=/task/redis_session_get

request() { # PATH CURL_OPTION...: sets $status and writes $tmp/head and $tmp/body
  local path=$1; shift
  : >"$tmp/raw"; : >"$tmp/body"
  status=$(curl -sS --max-time 10 -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "$@" "$base$path") || true
  tr -d '\r' <"$tmp/raw" >"$tmp/head"
}
browse() { request "$2" -b "$tmp/$1" -c "$tmp/$1" "${@:3}"; } # BROWSER PATH CURL_OPTION...: each browser has a cookie jar
details() { echo "status $status"; cat "$tmp/head"; head -n 40 "$tmp/body"; }

status_is() { [[ $status == "$1" ]]; }
header() { grep -qiE "^$1: *$2\$" "$tmp/head"; }
line() { grep -qxF -- "$1" "$tmp/body"; }
shows_user() { status_is 200 && line "사용자 이름 : $1<br>" && line "사용자 아이디 : $2<br>"; }
shows_kky() { shows_user 홍길동 kky; }
shows_no_user() { shows_user '' ''; }
sets_no_cookie() { status_is 200 && not header set-cookie '.*'; }
has_no_session() { shows_no_user && sets_no_cookie; }
has_new_session() { shows_kky && sets_one_cookie && sets_valid_id && not header set-cookie "$cookie=$unissued.*"; }
sets_one_cookie() { [[ $(grep -ci '^set-cookie:' "$tmp/head") == 1 ]]; }
id_length=48 # in the formats of PHP an id has 40
[[ $cookie != PHPSESSID ]] || id_length=40
sets_valid_id() { grep -qE "^[Ss]et-[Cc]ookie: *$cookie=[0-9a-z]{$id_length}(;.*)?\$" "$tmp/head"; }
id_in() { awk -v name="$cookie" '$6 == name { print $7 }' "$tmp/$1"; } # BROWSER
cookie_has() { header set-cookie "[^;]*;(.*;)? *$1( *;.*)?"; }
cookie_has_no() { sets_one_cookie && not cookie_has "$1"; }
has_links() { local to; for to; do grep -q "href=\"$to\"" "$tmp/body" || return 1; done; }
ends_at() { [[ $status == "200 $base$1" ]]; }

echo "# $base: without a cookie"
request "$get"
check "$get shows no user" shows_no_user
check "$get sets no cookie" sets_no_cookie
check "$get is not cached" header cache-control '(.*[ ,])?no-store([ ,].*)?'
for page in /user/ /task/; do
  request "$page"
  check "$page sets no cookie" sets_no_cookie
  check "$page links to both services" has_links /user/ /task/
done
request /user/
check "/user/ links to the lecture's pages" has_links "$set" "$get"
request / -L -w '%{http_code} %{url_effective}'
check "/ redirects to /user/" ends_at /user/

echo "# one session in both services"
browse anna "$set"
check "$set shows the user that it stored" shows_kky
check "$set is not cached" header cache-control '(.*[ ,])?no-store([ ,].*)?'
check "$set sets one cookie" sets_one_cookie
check "the cookie is $cookie with an id of $id_length characters 0-9 and a-z" sets_valid_id
for wanted in HttpOnly SameSite=Lax Path=/; do check "the cookie has $wanted" cookie_has "$wanted"; done
for unwanted in 'Domain=.*' 'Max-Age=.*' 'Expires=.*'; do check "the cookie has no ${unwanted%=*}" cookie_has_no "$unwanted"; done
case $base in
  https:*) check "the cookie has Secure over https" cookie_has Secure ;;
  *) check "the cookie has no Secure over http" cookie_has_no Secure ;;
esac
browse anna "$get"
check "$get shows the user that the other service stored" shows_kky
browse anna "$get"
check "$get shows the user again" shows_kky
request "$set" -H 'Sec-Fetch-Site: cross-site'
check "$set sets no session for a link on another site" sets_no_cookie
check "it shows a button instead" grep -qF '<button>Set the session</button>' "$tmp/body"

echo "# the card of each program"
card() { browse "$1" "/$2/session.svg" && status_is 200 && header content-type 'image/svg\+xml.*'; } # BROWSER PROGRAM
note() { browse "$1" "/$2/note" -H "Origin: $base" --data-urlencode "name=$3" --data-urlencode "value=$4"; } # BROWSER PROGRAM NAME VALUE
contains() { grep -qF -- "$1" "$tmp/body"; }
for program in user task; do
  check "without a cookie the card of $program-service shows no session" eval 'card cards $program && contains "no session" && sets_no_cookie'
  check "it is not cached" header cache-control 'no-store'
  check "it may style itself and load nothing" header content-security-policy "default-src 'none'; style-src 'unsafe-inline';.*"
done
note cards user color green
check "user-service writes a field and leads back" eval 'status_is 303 && header location /user/'
note cards task color '<red>'
check "task-service writes another one" status_is 303
for program in user task; do
  check "the card of $program-service shows both" eval 'card cards $program && contains "user.color</text>" && contains "task.color</text>" && contains "&#60;red&#62;"'
done
browse cards /task/note -d name=color -d value=forged -H 'Origin: http://elsewhere.example'
check "a form of another site writes nothing" eval 'status_is 403 && card cards user && not contains forged'
note cards task Account x
check "an invalid name is rejected" eval 'status_is 422 && contains "A name has 1 to 12 characters"'
browse cards /user/logout -H "Origin: $base" --data ''
for program in user task; do
  check "after the sign-out the card of $program-service is empty" eval 'card cards $program && contains "no session"'
done
for page in /user/ /task/ "$set" "$get"; do
  browse cards "$page"
  check "$page says which service it is from" contains "This page is from $(cut -d / -f 2 <<<"$page")-service."
done

echo "# the lecture's original addresses and host name"
browse lecture "$get.php"
check "$get.php shows no user and sets no cookie" has_no_session
browse lecture "$set.php"
check "$set.php shows the user that it stored" shows_kky
browse lecture "$get.php"
check "$get.php shows the user" shows_kky
browse gctask "$set" -H 'Host: gctask.com'
check "$set at gctask.com shows the user that it stored" shows_kky
check "the cookie has no Domain at gctask.com" cookie_has_no 'Domain=.*'
browse gctask "$get" -H 'Host: gctask.com'
check "$get at gctask.com shows the user" shows_kky

echo "# two browsers"
browse berta "$get"
check "another browser does not see the session" has_no_session
browse berta "$set"
check "another browser gets a session" sets_one_cookie
check "its id is different" not [ "$(id_in anna)" = "$(id_in berta)" ]

echo "# registration, drafts, sign-in on two devices, and sign-out"
user=user-$(date +%s)-$RANDOM password="correct horse battery"
submit() { # BROWSER PATH FIELD=VALUE...: submits a form
  local fields=(--data '') field
  for field in "${@:3}"; do fields+=(--data-urlencode "$field"); done
  browse "$1" "$2" -H "Origin: $base" "${fields[@]}"
}
redirects_to() { status_is 303 && header location "$1"; }
has_heading() { status_is 200 && grep -qF "<h1>$1</h1>" "$tmp/body"; }
lists_other_devices() { [[ $(grep -c 'name="handle"' "$tmp/body") == "$1" ]]; } # COUNT: each has a button with its handle
browse phone /user/register -d "id=$user" -H 'Origin: http://elsewhere.example'
check "a form of another site is rejected" status_is 403
submit phone /user/register "id=$user" "name=Anna <b>" password=short
check "a short password is rejected" status_is 422
submit phone /user/register "id=$user" "name=Anna <b>" "password=$password"
check "registration redirects to the tasks" redirects_to /task/
browse phone /task/
check "registration signs the user in" has_heading "Your tasks"
submit phone /user/logout
submit phone /task/ "title=buy <i>milk</i>"
check "a signed-out user can add a draft" redirects_to '/task/.*'
old_id=$(id_in phone)
submit phone /user/login "id=$user" "password=wrong $password"
check "a wrong password is rejected" status_is 401
submit phone /user/login "id=$user" "password=$password"
check "sign-in redirects to the tasks" redirects_to /task/
check "sign-in renews the session id" not [ "$(id_in phone)" = "$old_id" ]
browse phone /task/
check "task-service knows the user" has_heading "Your tasks"
check "the draft is a task now, and its title is escaped" contains 'buy &#60;i&#62;milk&#60;/i&#62;'
request /task/ -b "$cookie=$old_id"
check "the old session id is rejected" has_heading "Draft tasks"
submit laptop /user/login "id=$user" "password=$password"
browse laptop /task/
check "a second device shows the same task" contains 'milk'
browse phone /user/sessions
check "the first device lists the second" lists_other_devices 1
submit phone /user/sessions/revoke-others
check "the first device signs out all others" redirects_to /user/sessions
browse laptop /task/
check "the second device is signed out at task-service" has_heading "Draft tasks"
browse laptop /user/sessions
check "the second device is signed out at user-service" redirects_to '/user/login.*'
browse phone /user/sessions
check "the first device is still signed in and lists no other" lists_other_devices 0
old_id=$(id_in phone)
submit phone /user/logout
check "sign-out redirects to the page that says so" redirects_to '/user/\?signed-out'
request /task/ -b "$cookie=$old_id"
check "the session id is rejected after sign-out" has_heading "Draft tasks"

echo "# invalid cookies"
check_no_session() { # DESCRIPTION CURL_OPTION...
  request "$get" "${@:2}"
  check "$1 counts as no session, and no cookie is set" has_no_session
}
for_each_invalid_cookie "$cookie" check_no_session
check_no_session "two ids that both exist" -H "Cookie: $cookie=$(id_in anna); $cookie=$(id_in berta)"
request "$set" -H "Cookie: $cookie=$unissued"
check "an id that was never issued is replaced by a new one" has_new_session

summary
