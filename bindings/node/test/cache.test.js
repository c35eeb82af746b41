// The cache of the records that a process read (SESSION_CACHE).
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const { afterEach, beforeEach, test } = require('node:test');
const { SessionManager } = require('shared-session');
const { Browser, listen } = require('./help/browser.js');
const { Redis } = require('./help/redis.js');
const { until } = require('./help/wait.js');

let redis, server, browser;

/** Serves sessions with a cache that is behind by at most so long, to somebody who has signed in. */
async function serve(cache) {
  const sessions = new SessionManager({ store: redis.url, cache });
  const listener = sessions.listener(async (req, res) => {
    const [, what, name] = req.url.split('/');
    if (what === 'set') {
      req.session[name] = 1;
    } else if (what === 'sign-in') {
      await req.session.signIn(name);
    } else if (what === 'log-out') {
      await req.session.destroy();
    }
    res.end(JSON.stringify(req.session));
  });
  server = http.createServer(listener);
  browser = new Browser(await listen(server));
  await browser.post('/sign-in/anna');
}

const show = async () => JSON.parse((await browser.get('/')).content);
const isRemembered = async () => (await redis.costs(show)) === 0;

/** Does something with the session in another process. */
async function elsewhere(what) {
  const env = { ...process.env, STORE: redis.url, COOKIE: browser.cookie };
  const [code] = await once(spawn(process.execPath, [`${__dirname}/help/child.js`, what], { env, stdio: 'inherit' }), 'exit');
  assert.equal(code, 0);
}

beforeEach(async () => {
  redis = await Redis.start();
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await redis.stop();
});

test('a repeated read costs no command', async () => {
  await serve('60s');
  await until(isRemembered);
  const readOften = async () => {
    for (let index = 0; index < 50; index++) {
      assert.deepEqual(await show(), { userid: 'anna' });
    }
  };
  assert.equal(await redis.costs(readOften), 0);
  assert.ok((await redis.costs(() => browser.post('/'))) > 0, 'a request that may change something');
});

test('a change and a log-out in this process are seen at once', async () => {
  await serve('60s');
  for (let index = 0; index < 20; index++) {
    await until(isRemembered);
    await browser.post(`/set/field${index}`);
    assert.equal((await show())[`field${index}`], 1);
  }
  await until(isRemembered);
  const { cookie } = browser;
  await browser.post('/log-out');
  browser.cookie = cookie;
  assert.deepEqual(await show(), {});
});

test('a change and a log-out in another process are seen', async () => {
  await serve('2s');
  await until(isRemembered);
  await elsewhere('change');
  await until(async () => (await show()).changed === 1);
  await until(isRemembered);
  await elsewhere('logOut');
  await until(async () => Object.keys(await show()).length === 0);
});
