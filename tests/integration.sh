#!/usr/bin/env bash
# Asks a running deployment what its visitors would ask, with curl alone: tests/integration.sh BASE_URL [COOKIE_NAME]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# == [12] ]] || { echo "usage: $0 BASE_URL [COOKIE_NAME]" >&2; exit 2; }
base=${1%/} cookie=${2:-sid}
set=/user/redis_session_set get=/task/redis_session_get

visit() { # PATH CURL_OPTION...: leaves $status, $tmp/head and $tmp/body
  local path=$1; shift
  : >"$tmp/raw"; : >"$tmp/body"
  status=$(curl -sS --max-time 10 -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "$@" "$base$path") || true
  tr -d '\r' <"$tmp/raw" >"$tmp/head"
}
visitor() { visit "$2" -b "$tmp/$1" -c "$tmp/$1" "${@:3}"; } # NAME PATH CURL_OPTION...: each has a cookie jar
details() { echo "status $status"; cat "$tmp/head"; head -n 40 "$tmp/body"; }

is() { [[ $status == "$1" ]]; }
header() { grep -qiE "^$1: *$2\$" "$tmp/head"; }
line() { grep -qxF -- "$1" "$tmp/body"; }
shows() { is 200 && line "사용자 이름 : $1<br>" && line "사용자 아이디 : $2<br>"; }
filled() { shows 홍길동 kky; }
blank() { shows '' ''; }
no_cookie() { is 200 && not header set-cookie '.*'; }
blank_without_cookie() { blank && no_cookie; }
new_session() { filled && one_cookie && an_id && not header set-cookie "$cookie=$unissued.*"; }
one_cookie() { [[ $(grep -ci '^set-cookie:' "$tmp/head") == 1 ]]; }
an_id() { grep -qE "^[Ss]et-[Cc]ookie: *$cookie=[0-9a-z]{40}(;.*)?\$" "$tmp/head"; }
id_in() { awk -v name="$cookie" '$6 == name { print $7 }' "$tmp/$1"; } # of a visitor's jar
attribute() { header set-cookie "[^;]*;(.*;)? *$1( *;.*)?"; }
no_attribute() { one_cookie && not attribute "$1"; }
links() { local to; for to; do grep -q "href=\"$to\"" "$tmp/body" || return 1; done; }
leads_to() { [[ $status == "200 $base$1" ]]; }

echo "# $base, as a visitor who has nothing"
visit "$get"
check "$get is blank" blank
check "$get sets no cookie" no_cookie
check "$get is not to be stored" header cache-control '(.*[ ,])?no-store([ ,].*)?'
for page in /user/ /task/; do
  visit "$page"
  check "$page is there and sets no cookie" no_cookie
  check "$page links to the other one and to both pages of the lecture" links /user/ /task/ "$set" "$get"
done
visit / -L -w '%{http_code} %{url_effective}'
check "/ leads to /user/" leads_to /user/

echo "# the session, from one service to the other"
visitor anna "$set"
check "$set shows what it stored" filled
check "$set is not to be stored" header cache-control '(.*[ ,])?no-store([ ,].*)?'
check "one cookie is set" one_cookie
check "the cookie is $cookie, with 40 characters of 0-9 and a-z" an_id
for wanted in HttpOnly SameSite=Lax Path=/; do check "the cookie has $wanted" attribute "$wanted"; done
for unwanted in 'Domain=.*' 'Max-Age=.*' 'Expires=.*'; do check "the cookie has no ${unwanted%=*}" no_attribute "$unwanted"; done
case $base in
  https:*) check "the cookie has Secure, over https" attribute Secure ;;
  *) check "the cookie has no Secure, over http" no_attribute Secure ;;
esac
visitor anna "$get"
check "$get shows what the other service stored" filled
visitor anna "$get"
check "$get shows it again" filled

echo "# the addresses of the original lecture, and its host name"
visitor lecture "$get.php"
check "$get.php is blank at first, without a cookie" blank_without_cookie
visitor lecture "$set.php"
check "$set.php shows what it stored" filled
visitor lecture "$get.php"
check "$get.php shows it too" filled
visitor gctask "$set" -H 'Host: gctask.com'
check "$set, at gctask.com" filled
check "the cookie has no Domain, at gctask.com" no_attribute 'Domain=.*'
visitor gctask "$get" -H 'Host: gctask.com'
check "$get, at gctask.com" filled

echo "# one visitor and another"
visitor berta "$get"
check "a session is not seen by another visitor" blank_without_cookie
visitor berta "$set"
check "another visitor has a session of their own" one_cookie
check "and another id" not [ "$(id_in anna)" = "$(id_in berta)" ]

echo "# a person, who registers, drafts a task, signs in on two devices and out again"
person=person-$(date +%s)-$RANDOM password="correct horse battery"
sends() { # VISITOR PATH FIELD=VALUE...: a form, as a browser sends it
  local fields=(--data '') field
  for field in "${@:3}"; do fields+=(--data-urlencode "$field"); done
  visitor "$1" "$2" -H "Origin: $base" "${fields[@]}"
}
led_to() { is 303 && header location "$1"; }
heading() { is 200 && grep -qF "<h1>$1</h1>" "$tmp/body"; }
text() { grep -qF -- "$1" "$tmp/body"; }
others() { [[ $(grep -c 'name="handle"' "$tmp/body") == "$1" ]]; } # each other device has a button
visitor phone /user/register -d "id=$person" -H 'Origin: http://elsewhere.example'
check "a form of another site is refused" is 403
sends phone /user/register "id=$person" "name=Anna <b>" password=short
check "a short password is refused beside its field" is 422
sends phone /user/register "id=$person" "name=Anna <b>" "password=$password"
check "registered, and led to the sign-in" led_to /user/login
sends phone /task/ "title=buy <i>milk</i>"
check "a task is drafted before anybody signed in" led_to '/task/.*'
before=$(id_in phone)
sends phone /user/login "id=$person" "password=wrong $password"
check "a wrong password is refused" is 401
sends phone /user/login "id=$person" "password=$password"
check "signed in, and led to the tasks" led_to /task/
check "under a new id" not [ "$(id_in phone)" = "$before" ]
visitor phone /task/
check "the tasks are theirs, at the other service" heading "Your tasks"
check "the draft is one of them, and stayed text" text 'buy &#60;i&#62;milk&#60;/i&#62;'
visit /task/ -b "$cookie=$before"
check "the id from before is nobody's" heading "Draft tasks"
sends laptop /user/login "id=$person" "password=$password"
visitor laptop /task/
check "another device finds the same task" text 'milk'
visitor phone /user/sessions
check "which is on the list of devices" others 1
sends phone /user/sessions/revoke-others
check "all others are signed out" led_to /user/sessions
visitor laptop /task/
check "so that device is, at one service" heading "Draft tasks"
visitor laptop /user/sessions
check "and at the other" led_to '/user/login.*'
visitor phone /user/sessions
check "this one is not, and is alone" others 0
kept=$(id_in phone)
sends phone /user/logout
check "signed out" led_to /user/login
visit /task/ -b "$cookie=$kept"
check "and that id is nobody's" heading "Draft tasks"

echo "# bad input: the visitor is simply without a session"
bad_visit() { # WHAT CURL_OPTION...
  visit "$get" "${@:2}"
  check "$1: blank, without a cookie" blank_without_cookie
}
each_bad_cookie "$cookie" bad_visit
bad_visit "two ids, each of which is somebody's" -H "Cookie: $cookie=$(id_in anna); $cookie=$(id_in berta)"
visit "$set" -H "Cookie: $cookie=$unissued"
check "an id that was never issued: a session begins under another" new_session

summary
