// The examples in the README of express-session move by the two lines that docs/node.md shows.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, test } = require('node:test');
const { Redis } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');
const { moved } = require('./help/moved.js');

let redis, server, browser;
before(async () => {
  redis = await Redis.start();
  process.env.SESSION_STORE = redis.url;
  server = http.createServer(await moved('express-session.mjs'));
  browser = new Browser(await listen(server));
});
after(async () => {
  server.close();
  server.closeAllConnections();
  await redis.stop();
});

const page = async (path) => (await browser.get(path)).content;
const logIn = () => browser.post('/login', { body: new URLSearchParams({ user: 'anna' }) });

test('views are counted', async () => {
  assert.equal(await page('/foo'), 'you viewed this page 1 times');
  assert.equal(await page('/foo'), 'you viewed this page 2 times');
});

test('a login gets another id, and a logout is final', async () => {
  const { cookie } = browser;
  assert.equal(await page('/'), 'sign in');
  assert.equal((await logIn()).status, 302);
  assert.notEqual(browser.cookie, cookie);
  assert.equal(await page('/'), 'hello, anna!');

  for (const logOut of [() => browser.get('/logout'), () => browser.post('/destroy')]) {
    await logIn();
    const signedIn = browser.cookie;
    assert.equal((await logOut()).status, 302);
    assert.equal(await page('/'), 'sign in');
    assert.equal(await page('/foo'), 'you viewed this page 1 times');
    browser.cookie = signedIn;
    assert.equal(await page('/'), 'sign in');
  }
});
