// The code of the repository's front page is a program.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');
const { Browser, listen } = require('./help/browser.js');
const { load } = require('./help/moved.js');

test('the front page shows a program with Express', async (context) => {
  const page = fs.readFileSync(path.join(__dirname, '../../../README.md'), 'utf8');
  const [, code] = /```js\n(.*?)```/s.exec(page);
  const server = http.createServer(await load('front_page.mjs', `${code}export { app };\n`));
  const browser = new Browser(await listen(server));
  context.after(() => server.close());
  assert.equal((await browser.get('/')).content, 'hello ');
});
