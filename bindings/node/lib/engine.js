// Loads the compiled engine: the one that build.js made, or that of the published package for this platform.
'use strict';
const { existsSync } = require('node:fs');
const path = require('node:path');

/** Returns the name of this platform, such as `linux-x64` or `linux-arm64-musl`. */
function platform() {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') {
    return name;
  }
  const { excludeNetwork } = process.report;
  process.report.excludeNetwork = true; // it would look up the names of peers
  const { glibcVersionRuntime } = process.report.getReport().header;
  process.report.excludeNetwork = excludeNetwork;
  return glibcVersionRuntime ? name : `${name}-musl`;
}

function load() {
  const built = path.join(__dirname, '../engine.node');
  if (existsSync(built)) {
    return require(built);
  }
  const published = path.join(__dirname, `../engines/${platform()}.node`);
  if (existsSync(published)) {
    return require(published);
  }
  throw new Error(`shared-session has no compiled engine for ${platform()}. Build it with Rust: ${require('../package.json').homepage}`);
}

module.exports = { engine: load(), platform };
