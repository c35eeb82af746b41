#!/usr/bin/env bash
# Asks a running deployment with PHP whether PHP and Rust have one session, with curl alone: tests/php.sh BASE_URL
# Its services run with SESSION_FORMAT=php.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# == 1 ]] || { echo "usage: $0 BASE_URL" >&2; exit 2; }
base=${1%/}

visit() { # VISITOR PATH: each visitor has a cookie jar
  curl -sS --max-time 10 -b "$tmp/$1" -c "$tmp/$1" -o "$tmp/body" -w '%{http_code}' "$base$2" >"$tmp/status"
}
details() { echo "status $(cat "$tmp/status")"; head -n 40 "$tmp/body"; }
shows() { # VISITOR PATH NAME ID
  visit "$1" "$2"
  [[ $(cat "$tmp/status") == 200 ]] && grep -qxF "사용자 이름 : $3<br>" "$tmp/body" && grep -qxF "사용자 아이디 : $4<br>" "$tmp/body"
}
one_cookie() { [[ $(grep -c PHPSESSID "$tmp/$1") == 1 && $(grep -vc '^#HttpOnly\|^# \|^$\|PHPSESSID' "$tmp/$1") == 0 ]]; }
php=/php/redis_session rust_set=/user/redis_session_set rust_get=/task/redis_session_get

check "PHP is blank at first" shows php ${php}_get.php '' ''
check "PHP sets the session" shows php ${php}_set.php 홍길동 kky
check "PHP shows it" shows php ${php}_get.php 홍길동 kky
check "Rust shows what PHP set" shows php $rust_get 홍길동 kky
check "Rust changes PHP's session" shows php $rust_set 홍길동 kky
check "and PHP reads what Rust wrote" shows php ${php}_get.php 홍길동 kky
check "under one cookie" one_cookie php
check "Rust sets a session of its own" shows rust $rust_set 홍길동 kky
check "PHP shows what Rust set" shows rust ${php}_get.php 홍길동 kky
check "and PHP sets it again" shows rust ${php}_set.php 홍길동 kky
check "and Rust shows it" shows rust $rust_get 홍길동 kky
check "under one cookie" one_cookie rust
check "another visitor sees nothing, in PHP" shows other ${php}_get.php '' ''
check "nor in Rust" shows other $rust_get '' ''
summary
