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
check "the stack starts" start_stack
check "tests/browser.sh passes" tests/browser.sh "$base" "$@"
check "Redis denied no command" [ -z "$(denied_commands)" ]
check "no log contains a password" no_password_in "$tmp"/*.log
summary
