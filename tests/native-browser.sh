#!/usr/bin/env bash
# The stack without containers, used by real browsers: tests/native-browser.sh [FOLDER], where pictures of all pages are left.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
# shellcheck source-path=SCRIPTDIR source=stack.sh
. tests/stack.sh
build
check "the stack starts" start_stack
check "tests/browser.sh" tests/browser.sh "$base" "$@"
check "nobody asked Redis for what they may not" [ -z "$(refusals)" ]
check "no log holds a password" no_password_in "$tmp"/*.log
summary
