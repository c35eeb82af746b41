// Loads applications as the documentation shows them.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const TUTORIALS = path.join(__dirname, '../tutorials');

/** Makes the change of docs/node.md, and then that of `edit`, if there is one, in the file of an application, and loads it. */
async function moved(name, edit = (source) => source) {
  const page = fs.readFileSync(path.join(__dirname, '../../../../docs/node.md'), 'utf8');
  const [, changes] = /```diff\n(.*?)```/s.exec(page);
  let source = fs.readFileSync(path.join(TUTORIALS, name), 'utf8');
  for (const [, before, after] of changes.matchAll(/^-(.*)\n\+(.*)\n/gm)) {
    assert.equal(source.split(before).length, 2, before);
    source = source.replace(before, after);
  }
  return load(name, edit(source, page));
}

/** Loads the application that a source exports. */
async function load(name, source) {
  // beside the tutorials, so that it finds its packages
  const folder = fs.mkdtempSync(path.join(TUTORIALS, 'moved-'));
  try {
    const file = path.join(folder, name);
    fs.writeFileSync(file, source);
    return (await import(file)).app;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

module.exports = { load, moved };
