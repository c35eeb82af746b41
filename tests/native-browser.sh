#!/usr/bin/env bash
# Tests the stack without containers in Chromium: tests/native-browser.sh [FOLDER]
# With FOLDER, saves a screenshot of every page there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
unlimited_nginx() { # the tests send more forms than one user does
  start_nginx 'limit_req_dry_run on;'
}
check "the stack starts" start_stack
check "tests/browser.sh passes" tests/browser.sh "$base" "$@"

echo "## Python and Node.js"
for program in python node; do (cd "bindings/$program" && PYO3_BUILD_EXTENSION_MODULE=1 cargo build --locked); done
check "the pages are installed" install_pages
check "Python and Node.js start" eval 'start_python && start_node'
check "tests/browser/live.mjs passes with all programs" node tests/browser/live.mjs "$base" user task python node
check "tests/browser/polyglot.mjs passes" node tests/browser/polyglot.mjs "$base" "$@"

echo "## forms that are sent twice, with Redis 20 ms away"
for name in user-service task-service nginx; do stop "$name" || true; done
reserve_ports link_port
start link python3 tests/delay.py "$link_port" "$redis_port" 20
comes_up link 20 listens "$link_port"
redis_port=$link_port check "the services start" start_services
check "nginx starts without limits" unlimited_nginx
check "tests/browser/twice.mjs passes" node tests/browser/twice.mjs "$base"
check "Redis denied no command" [ -z "$(denied_commands)" ]
check "no log contains a password" no_password_in "$tmp"/*.log
summary
