// The package as npm publishes it: what is in it, and that it loads the engine of its platform.
'use strict';
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { platform } = require('../lib/engine.js');

const root = path.join(__dirname, '..');

/** Packs the package with the engine that was built here. Returns the archive and its files. */
function pack(folder) {
  const engines = path.join(root, 'engines');
  const engine = path.join(engines, `${platform()}.node`);
  fs.mkdirSync(engines, { recursive: true });
  fs.copyFileSync(path.join(root, 'engine.node'), engine);
  try {
    const options = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
    const [packed] = JSON.parse(execFileSync('npm', options, { cwd: root, encoding: 'utf8' }));
    return { archive: path.join(folder, packed.filename), files: packed.files.map(({ path }) => path) };
  } finally {
    fs.rmSync(engines, { recursive: true });
  }
}

test('the package has its licences, its page and its engine, and loads it without a build', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'package-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const { archive, files } = pack(folder);

  const sources = fs.readdirSync(path.join(root, 'lib')).map((name) => `lib/${name}`);
  const others = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', `engines/${platform()}.node`, 'package.json'];
  assert.deepEqual([...files].sort(), [...sources, ...others].sort());
  for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) {
    assert.equal(fs.readFileSync(path.join(root, licence), 'utf8'), fs.readFileSync(path.join(root, '../..', licence), 'utf8'));
  }

  fs.writeFileSync(path.join(folder, 'package.json'), '{}');
  execFileSync('npm', ['install', '--silent', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', archive], { cwd: folder });
  const start = "new (require('shared-session').SessionManager)({ store: 'memory:' }).ready().then(() => console.log('ready'))";
  assert.equal(execFileSync(process.execPath, ['-e', start], { cwd: folder, encoding: 'utf8' }), 'ready\n');

  fs.rmSync(path.join(folder, 'node_modules/shared-session/engines'), { recursive: true });
  const without = () => execFileSync(process.execPath, ['-e', start], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  assert.throws(without, new RegExp(`no compiled engine for ${platform()}\\. Build it with Rust: https://`));
});
