#!/usr/bin/env bash
# Uses a running deployment as people do, in a real Chromium: tests/browser.sh BASE_URL [FOLDER]
# With a folder, pictures of every page are left there.
set -euo pipefail
[[ $# == [12] ]] || { echo "usage: $0 BASE_URL [FOLDER]" >&2; exit 2; }
base=${1%/} folder=${2:+$(realpath -m "$2")}
cd "$(dirname "$0")/browser"
for tool in chromium node npm; do
  command -v "$tool" >/dev/null || { echo "$tool is needed: apt-get install chromium nodejs npm" >&2; exit 1; }
done
npm ci --silent
echo "# $base, as two browsers of one person"
node journey.mjs "$base"
echo "# $base, page by page"
node pages.mjs "$base" ${folder:+"$folder"}
