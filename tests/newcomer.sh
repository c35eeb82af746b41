#!/usr/bin/env bash
# Walks the path of a newcomer: a new crate outside this workspace, with the first example of the library's page. The
# counter must grow. The crate takes the versions of Cargo.lock, so that the build takes little time.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=lib.sh
. tests/lib.sh
root=$PWD bin=${CARGO_TARGET_DIR:-$PWD/target}/debug
reserve_ports port

cargo init --quiet --vcs none --name newcomer "$tmp/newcomer"
cat >>"$tmp/newcomer/Cargo.toml" <<END
actix-web = $(sed -n 's/^actix-web = //p' Cargo.toml)
shared-session = { path = "$root/shared-session" }
tracing-subscriber = "$(sed -n '/^name = "tracing-subscriber"/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)"
END
rm -f "$bin/newcomer"
cp Cargo.lock "$tmp/newcomer/"
awk '/^```/ { if (inside) exit; inside = /no_run/; next } inside' shared-session/README.md >"$tmp/example.rs"
check "its first example is a whole program" grep -q '^async fn main' "$tmp/example.rs"
sed "s/8080/$port/" "$tmp/example.rs" >"$tmp/newcomer/src/main.rs"
check "it compiles" env CARGO_TARGET_DIR="${bin%/debug}" cargo build --quiet --manifest-path "$tmp/newcomer/Cargo.toml"

start newcomer env SESSION_STORE=memory: "$bin/newcomer"
check "it starts" comes_up newcomer 20 responds "http://127.0.0.1:$port/"
visit() { curl -fsS --max-time 5 -b "$tmp/cookies" -c "$tmp/cookies" "http://127.0.0.1:$port/"; }
for count in 1 2 3; do
  check "it counts visit $count of a browser" [ "$(visit)" = "visit $count" ]
done
check "it counts another browser's visits apart" [ "$(curl -fsS "http://127.0.0.1:$port/")" = "visit 1" ]
summary
