#!/usr/bin/env bash
# Checks that every manifest has the same version and that the changelog has its section, and prints the version.
#   tests/version.sh          while work goes on
#   tests/version.sh v0.1.0   for a release with this tag: it must be that of the version, and the section must have its date
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-}

# The versions of the crates, of the testkit's requirement, and of the package for Node.js. (The package for Python takes its crate's.)
versions() {
  local manifest
  for manifest in Cargo.toml bindings/python/Cargo.toml bindings/node/Cargo.toml; do
    cargo metadata --manifest-path "$manifest" --no-deps --locked --format-version 1
  done | python3 -c '
import json, sys
for workspace in map(json.loads, sys.stdin):
    for package in workspace["packages"]:
        print(package["version"], package["name"])
        for needed in package["dependencies"]:
            if needed["name"].startswith("shared-session") and needed["req"] != "*":
                print(needed["req"].removeprefix("="), package["name"], "needs", needed["name"])
for name in "package.json", "package-lock.json":
    print(json.load(open(f"bindings/node/{name}"))["version"], name)
'
}

all=$(versions)
version=$(awk '$2 == "shared-session" && NF == 2 { print $1 }' <<<"$all")
if others=$(grep -vF "$version " <<<"$all"); then
  printf 'the version is %s, but:\n%s\n' "$version" "$others" >&2
  exit 1
fi
if ! grep -qE "^## \[${version//./\\.}\]( - [0-9]{4}-[0-9]{2}-[0-9]{2})?$" CHANGELOG.md; then
  echo "CHANGELOG.md has no section ## [$version]" >&2
  exit 1
fi
if [[ $tag ]]; then
  [[ $tag == "v$version" ]] || { echo "the tag is $tag, but the version is $version" >&2; exit 1; }
  grep -q "^## \[$version\] - " CHANGELOG.md || { echo "the section of $version in CHANGELOG.md has no date" >&2; exit 1; }
fi
echo "$version"
