// Builds the engine with Rust and puts it beside this file. PROFILE=dev makes the debug build.
'use strict';
const { execFileSync } = require('node:child_process');
const { copyFileSync, renameSync } = require('node:fs');
const path = require('node:path');

const profile = process.env.PROFILE || 'release';
const cargo = (...args) => execFileSync('cargo', args, { cwd: __dirname, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1e9 });
cargo('build', '--locked', '--quiet', '--profile', profile);
const { target_directory: target } = JSON.parse(cargo('metadata', '--locked', '--no-deps', '--format-version', '1'));
const library = { darwin: 'libshared_session_node.dylib', win32: 'shared_session_node.dll' }[process.platform] ?? 'libshared_session_node.so';
const built = path.join(target, profile === 'dev' ? 'debug' : profile, library);
// a running program keeps the file that it has loaded
copyFileSync(built, path.join(__dirname, 'engine.node.new'));
renameSync(path.join(__dirname, 'engine.node.new'), path.join(__dirname, 'engine.node'));
