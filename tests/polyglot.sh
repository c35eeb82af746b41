#!/usr/bin/env bash
# Tests with curl that Python, Node.js and the services of a running deployment share one session: tests/polyglot.sh BASE_URL [COOKIE_NAME]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# == [12] ]] || { echo "usage: $0 BASE_URL [COOKIE_NAME]" >&2; exit 2; }
base=${1%/} cookie=${2:-sid}
programs="python node"

request() { # BROWSER PATH CURL_OPTION...: each browser has a cookie jar
  : >"$tmp/raw"; : >"$tmp/body"
  status=$(curl -sS --max-time 10 -b "$tmp/$1" -c "$tmp/$1" -D "$tmp/raw" -o "$tmp/body" -w '%{http_code}' "${@:3}" "$base$2") || true
  tr -d '\r' <"$tmp/raw" >"$tmp/head"
}
submit() { request "$1" "$2" -H "Origin: $base" --data '' "${@:3}"; } # BROWSER PATH CURL_OPTION...: submits a form
details() { echo "status $status"; cat "$tmp/head"; head -n 60 "$tmp/body"; }
status_is() { [[ $status == "$1" ]]; }
header() { grep -qiE "^$1: *$2\$" "$tmp/head"; }
line() { grep -qxF -- "$1" "$tmp/body"; }
contains() { grep -qF -- "$1" "$tmp/body"; }
shows_user() { status_is 200 && line "사용자 이름 : $1<br>" && line "사용자 아이디 : $2<br>"; }
shows() { request "$1" "$2" && shows_user "$3" "$4"; } # BROWSER PATH NAME ID
shows_field() { request "$1" "$2" && status_is 200 && contains "<code>$3</code>" && contains "<code>$4</code>"; } # BROWSER PATH NAME JSON
lacks_field() { request "$1" "$2" && status_is 200 && not contains "<code>$3</code>"; } # BROWSER PATH NAME
redirects_to() { status_is 303 && header location "$1"; }
sets_no_cookie() { not header set-cookie '.*'; }
is_not_cached() { header cache-control '(.*[ ,])?no-store([ ,].*)?'; }
has_security_headers() {
  local name
  for name in content-security-policy x-content-type-options referrer-policy cross-origin-{opener,resource}-policy permissions-policy; do
    [[ $(grep -ci "^$name:" "$tmp/head") == 1 ]] || return 1
  done
}
has_links() { local to; for to; do contains "href=\"$to\"" || return 1; done; }
one_cookie() { [[ $(awk -v name="$cookie" '$6 == name' "$tmp/$1" | wc -l) == 1 ]]; } # BROWSER
id_in() { awk -v name="$cookie" '$6 == name { print $7 }' "$tmp/$1"; } # BROWSER

for program in $programs; do
  echo "# /$program/"
  page=/$program/ get=/$program/redis_session_get set=/$program/redis_session_set new=new-$program
  request "$new" "/$program"
  check "/$program redirects to $page" status_is 301
  request "$new" "$page"
  check "$page responds" status_is 200
  check "it sets no cookie" sets_no_cookie
  check "it is not cached" is_not_cached
  check "it has each security header once" has_security_headers
  check "it links to the other programs" has_links '/user/' '/task/' '/python/' '/node/'
  check "$get shows no user without a session" shows "$new" "$get" '' ''
  check "it sets no cookie" sets_no_cookie
  check "it is not cached" is_not_cached
  request "$new" "$set" -H 'Sec-Fetch-Site: cross-site'
  check "$set asks first if a link on another site led to it" contains '<button>Set the session</button>'
  check "it sets no cookie" sets_no_cookie
  for sender in 'Origin: http://elsewhere.example' "Origin: ftp://${base#*://}" 'Origin: null' 'Sec-Fetch-Site: cross-site' 'Sec-Fetch-Site: same-site' 'Accept: */*'; do
    request "$new" "$page" -H "$sender" -d note=forged
    check "a form with '$sender' is rejected" status_is 403
    check "it sets no cookie" sets_no_cookie
  done
  submit "$new" "$page" -d note=
  check "an empty note begins no session" sets_no_cookie
  submit "$new" "$page" -d "note=$(printf 'a%.0s' {1..101})"
  check "a long note is rejected" status_is 422
  check "it sets no cookie" sets_no_cookie
  check "it says which program it is from" eval 'contains "This page is from "'
  card=/$program/session.svg
  request "$new" "$card"
  check "$card shows no session" eval 'status_is 200 && header content-type "image/svg\+xml.*" && contains "no session"'
  check "it sets no cookie" sets_no_cookie
  check "it is not cached" is_not_cached
  check "it may style itself and load nothing" header content-security-policy "default-src 'none'; style-src 'unsafe-inline';.*"
  for note in 'name=&value=x' 'name=Color&value=x' 'name=a.b&value=x' "name=$(printf 'a%.0s' {1..13})&value=x" "name=color&value=$(printf 'a%.0s' {1..41})"; do
    submit "$new" "/$program/note" -d "$note"
    check "the field '${note::20}' is rejected" eval 'status_is 422 && contains "characters" && sets_no_cookie'
  done
  request "$new" "/$program/note" -H 'Origin: http://elsewhere.example' -d name=color -d value=forged
  check "a field of another site is rejected" eval 'status_is 403 && sets_no_cookie'
  request "$new" "${page}nothing"
  check "another address is not found" status_is 404
  check "its page has the site's style" contains '<link rel="stylesheet" href="/user/style.css">'
  request "$new" "/$program/../healthz" --path-as-is
  check "the health check is not public" status_is 404
  no_session() { request none "$get" "${@:2}"; check "$1 counts as no session" eval 'shows_user "" "" && sets_no_cookie'; } # DESCRIPTION CURL_OPTION...
  for_each_invalid_cookie "$cookie" no_session
done

echo "# one session in all programs"
for program in $programs; do
  check "/$program/redis_session_set sets the user" shows "$program" "/$program/redis_session_set" 홍길동 kky
  check "it sets one cookie" one_cookie "$program"
  id=$(id_in "$program")
  for reader in task $programs; do
    check "/$reader/redis_session_get shows the user" shows "$program" "/$reader/redis_session_get" 홍길동 kky
  done
  check "the cookie is the same" [ "$(id_in "$program")" = "$id" ]
done
check "user-service sets the user" shows rust /user/redis_session_set 홍길동 kky
for program in $programs; do check "/$program/redis_session_get shows the user" shows rust "/$program/redis_session_get" 홍길동 kky; done

echo "# the cards"
for program in user task $programs; do
  submit cards "/$program/note" -d name=color --data-urlencode "value=<$program>"
  check "$program writes its field" redirects_to /user/
done
for program in user task $programs; do
  request cards "/$program/session.svg"
  for writer in user task $programs; do
    check "the card of $program shows the field of $writer" eval 'contains "<text class=\"$writer\"" && contains ">$writer.color</text>" && grep -qE "&(lt|#60);$writer&(gt|#62);" "$tmp/body"'
  done
  check "it is XML" python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' "$tmp/body"
done
for number in 1 2 3 4 5 6 7 8; do
  for program in $programs; do submit cards "/$program/note" -d "name=n$number" -d value=x; done
done
check "a program keeps at most 8 fields" eval 'status_is 422 && contains "at most 8 fields"'
for program in $programs; do
  request cards "/$program/session.svg"
  check "the card of $program counts what it leaves out" contains 'and 7 more'
done
for program in $programs; do
  submit cards "/$program/note" -d name=color -d value=
  request cards "/task/session.svg"
  check "a field without a value is removed by $program" eval 'not contains ">$program.color<"'
done
submit cards /user/logout
for program in $programs; do
  request cards "/$program/session.svg"
  check "after the sign-out the card of $program is empty" contains 'no session'
done

echo "# a user who signs in and out"
user=user-$(date +%s)-$RANDOM password="correct horse battery"
note() { printf '&#34;%s&#34;' "$1"; }
has_note() { shows_field anna "$1" note "$(note "$2")"; } # PATH TEXT
is_user_at() { shows_field anna "$1" userid "$(note "$user")" && contains 'Signed in as <strong>Anna</strong>'; } # PATH
submit anna /python/ --data-urlencode 'note= 할 일 '
check "Python stores a note" redirects_to '/python/#session'
for path in /python/ /node/ /user/ /task/; do check "$path shows it" has_note "$path" '할 일'; done
submit anna /node/ --data-urlencode 'note=<i>markup</i>'
check "Node.js changes the note" redirects_to '/node/#session'
for path in /python/ /node/; do
  request anna "$path"
  check "$path shows it without its markup" eval 'contains markup && not contains "<i>"'
done
submit anna /node/ -d note=mine
id=$(id_in anna)
for path in /python/ /node/; do
  request old "$path" -b "$cookie=$id"
  check "$path shows the note to whoever has the id" contains mine
done
submit anna /user/register -d "id=$user" -d name=Anna --data-urlencode "password=$password"
check "the user registers" redirects_to /task/
check "that renews the session's id" not [ "$(id_in anna)" = "$id" ]
for path in /python/ /node/; do
  check "$path knows the user" is_user_at "$path"
  check "$path shows the note as before" has_note "$path" mine
  request old "$path" -b "$cookie=$id"
  check "$path rejects the old id" eval 'status_is 200 && not contains mine'
done
for program in $programs; do
  request anna "/$program/redis_session_set"
  check "/$program/redis_session_set asks before it signs the user out" contains 'You will be signed out.'
  check "the user is still signed in" is_user_at /user/
done
submit anna /python/
check "Python removes the note" redirects_to '/python/#session'
for path in /python/ /node/ /user/; do check "$path shows none" lacks_field anna "$path" note; done
submit anna /node/ -d note=again
id=$(id_in anna)
submit anna /user/logout
check "the user signs out" redirects_to '/user/\?signed-out'
for path in /python/ /node/; do
  request old "$path" -b "$cookie=$id"
  check "$path shows nothing of the session that ended" eval 'status_is 200 && not contains again && not contains "$user"'
done
for program in $programs; do
  submit anna /user/login -d "id=$user" --data-urlencode "password=$password"
  check "the user signs in" redirects_to /task/
  submit anna "/$program/redis_session_set"
  check "/$program/redis_session_set sets the lecture's user instead" shows_user 홍길동 kky
  check "/task/ knows the user no more" eval 'request anna /task/ && contains "<h1>Draft tasks</h1>"'
done
summary
