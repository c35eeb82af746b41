#!/usr/bin/env bash
# Tests a running deployment in Chromium: tests/browser.sh BASE_URL [FOLDER]
# With FOLDER, saves a screenshot of every page there.
set -euo pipefail
[[ $# == [12] ]] || { echo "usage: $0 BASE_URL [FOLDER]" >&2; exit 2; }
base=${1%/} folder=${2:+$(realpath -m "$2")}
cd "$(dirname "$0")/browser"
for tool in chromium node npm; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (on Debian: apt-get install chromium nodejs npm)" >&2; exit 1; }
done
npm ci --silent
echo "# $base: two browsers of one user"
node journey.mjs "$base"
echo "# $base: every page"
node pages.mjs "$base" ${folder:+"$folder"}
echo "# $base: the first page"
node live.mjs "$base" user task
