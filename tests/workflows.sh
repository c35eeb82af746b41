#!/usr/bin/env bash
# Checks the workflows of GitHub Actions: their form against GitHub's schema, and their security with zizmor, without the network.
# Installs both checkers from PyPI, as workflows.txt pins them.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${CARGO_TARGET_DIR:-target}/workflows
if ! cmp -s tests/workflows.txt "$tools/installed.txt"; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r tests/workflows.txt
  cp tests/workflows.txt "$tools/installed.txt" # says that the installation is complete
fi

"$tools/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$tools/bin/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml
zizmor() { "$tools/bin/zizmor" --offline --no-progress --strict-collection --persona pedantic "$@"; }
zizmor .github

# The checks notice what they are for: an action by its tag.
unpinned=$(mktemp --suffix=.yml)
trap 'rm "$unpinned"' EXIT
sed -E 's/@[0-9a-f]{40} # v.*/@v1/' .github/workflows/ci.yml >"$unpinned"
if output=$(zizmor "$unpinned" 2>&1) || ! grep -q 'unpinned-uses' <<<"$output"; then
  echo "zizmor accepts an action that is not pinned" >&2
  exit 1
fi
