// An application in the style of Passport's tutorial moves by the two lines that docs/node.md shows.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, beforeEach, test } = require('node:test');
const { Redis } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');
const { moved } = require('./help/moved.js');

let redis, app, server, browser;
before(async () => {
  redis = await Redis.start();
  Object.assign(process.env, { SESSION_STORE: redis.url, SESSION_PRINCIPAL_FIELD: 'user' });
  app = await moved('passport.mjs');
  server = http.createServer(app);
  browser = new Browser(await listen(server));
});
after(async () => {
  server.close();
  server.closeAllConnections();
  await redis.stop();
});
beforeEach(() => {
  browser.cookie = undefined;
});

const form = (fields) => ({ body: new URLSearchParams(fields), headers: { 'content-type': 'application/x-www-form-urlencoded' } });
const page = async () => JSON.parse((await browser.get('/')).content);
const logIn = (password) => browser.post('/login/password', form({ username: 'anna', password }));

test('Passport signs in and out', async () => {
  await browser.post('/cart', form({ item: 'pear' }));
  const anonymous = browser.cookie;
  assert.equal((await logIn('secret')).status, 302);
  assert.notEqual(browser.cookie, anonymous);
  assert.deepEqual(await page(), { user: 'anna', cart: ['pear'], errors: [] });
  const signedIn = browser.cookie;
  browser.cookie = anonymous;
  assert.deepEqual(await page(), { errors: [] }, 'the id before the sign-in opens nothing');

  browser.cookie = signedIn;
  assert.equal((await browser.post('/logout')).status, 302);
  assert.deepEqual(await page(), { errors: [] });
  browser.cookie = signedIn;
  assert.deepEqual(await page(), { errors: [] });
});

test('a user of Passport stays signed in, as docs/node.md shows it', async () => {
  const recipe = (source, page) => {
    const [line] = /await req\.session\.signIn\(req\.user\.id.*/.exec(page);
    const edited = source.replace(/\(req, res\) => \{\s+req\.session\.user = req\.user\.id;/, `async (req, res) => { ${line}`);
    assert.notEqual(edited, source);
    return edited;
  };
  const remembering = http.createServer(await moved('passport.mjs', recipe));
  const other = new Browser(await listen(remembering));
  const fields = { username: 'anna', password: 'secret' };
  const cookies = [];
  for (const box of [{ remember: 'on' }, {}]) {
    const response = await other.post('/login/password', form({ ...fields, ...box }));
    cookies.push(response.headers.getSetCookie().map((cookie) => cookie.includes('Max-Age=')));
    assert.equal(JSON.parse((await other.get('/')).content).user, 'anna');
  }
  assert.deepEqual(cookies, [[true], [false]]);
  remembering.close();
  remembering.closeAllConnections();
});

test('connect-flash shows a message once', async () => {
  await logIn('wrong');
  assert.deepEqual((await page()).errors, ['Incorrect username or password.']);
  assert.deepEqual((await page()).errors, []);
});

test('a request in flight does not bring back what Passport ended', async () => {
  assert.equal((await logIn('secret')).status, 302);
  const arrived = new Promise((wake) => (app.locals.arrived = wake));
  const slow = browser.get('/slow');
  await arrived;
  const { cookie } = browser;
  await browser.post('/logout');
  app.locals.open();
  assert.equal((await slow).status, 409);
  browser.cookie = cookie;
  assert.deepEqual(await page(), { errors: [] });
});
