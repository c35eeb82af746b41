// `signIn`, and users who stay signed in, through every door.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, beforeEach, test } = require('node:test');
const { SessionManager } = require('shared-session');
const { Redis } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');

const DAY = 24 * 60 * 60;

let redis, sessions;
before(async () => {
  redis = await Redis.start();
  sessions = new SessionManager({ store: redis.url, log: () => {} });
});
after(() => redis.stop());
beforeEach(() => redis.command('FLUSHALL'));

/** What every application does, for a request with this path. Returns what is sent. */
async function handle(request) {
  const { session } = request;
  const [, what, user] = request.url.split('/');
  switch (what) {
    case 'sign-in':
      await session.signIn(user);
      return 'signed in';
    case 'remember':
      await session.signIn(user, { remember: true });
      return 'signed in';
    case 'by-hand':
      await session.renew();
      session.userid = user;
      return 'signed in';
    case 'renew':
      await session.renew();
      return 'renewed';
    case 'log-out':
      await session.destroy();
      return 'signed out';
    case 'run':
      await handle.run(request);
      return 'done';
    default:
      return JSON.stringify({ ...session, remembered: sessions.remembered(session) });
  }
}

function serve(listener) {
  const server = http.createServer(listener);
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return listen(server).then((base) => [base, close]);
}

const express = (name) => () => {
  const app = require(name)();
  app.use(require('shared-session/express')(sessions));
  app.use((req, res, next) => void handle(req).then((text) => res.send(text), next));
  return serve(app);
};

const applications = {
  express: express('express'),
  express4: express('express4'),
  async fastify() {
    const fastify = require('fastify')();
    await fastify.register(require('shared-session/fastify'), { sessions });
    fastify.all('/*', (request) => handle(request));
    return [await fastify.listen({ port: 0, host: '127.0.0.1' }), () => fastify.close()];
  },
  'node:http': () => serve(sessions.listener(async (req, res) => res.end(await handle(req)))),
};

/** Runs `use` with a browser at an application. */
async function visit(name, use) {
  const [base, close] = await applications[name]();
  try {
    await use(new Browser(base));
  } finally {
    await close();
  }
}

/** Asserts that the only session is, or is not, one of a user who stays signed in. `response` is that of the sign-in. */
async function assertRemembered(isRemembered, browser, response) {
  const cookie = response.headers.getSetCookie()[0];
  const record = JSON.parse(await redis.record());
  const [key] = await redis.keys();
  const ttl = Number((await redis.command('TTL', key)).slice(1));
  const [, age] = /; Max-Age=(\d+)/.exec(cookie) ?? [];
  // the rest of the lifetime
  assert.ok(isRemembered ? age > 89 * DAY && age <= 90 * DAY : age === undefined, cookie);
  assert.equal(record._session.remembered, isRemembered ? true : undefined);
  assert.equal(ttl > DAY, isRemembered, `the record has ${ttl} s left`);
  const seen = JSON.parse((await browser.get('/')).content);
  assert.deepEqual([seen.userid, seen.remembered], [record.userid, isRemembered]);
  const { sessions: listed } = await sessions.list(record.userid);
  assert.deepEqual(listed.map((info) => info.remembered), [isRemembered]);
}

for (const name of Object.keys(applications)) {
  test(`${name}: who asks for it stays signed in, until the next sign-in or the log-out`, () =>
    visit(name, async (browser) => {
      await assertRemembered(true, browser, await browser.post('/remember/anna'));
      const first = browser.cookie;
      await assertRemembered(true, browser, await browser.post('/renew'));
      assert.notEqual(browser.cookie, first);
      await assertRemembered(false, browser, await browser.post('/sign-in/anna'));
      await assertRemembered(true, browser, await browser.post('/remember/anna'));
      await assertRemembered(false, browser, await browser.post('/by-hand/anna'));
      await assertRemembered(true, browser, await browser.post('/remember/berta'));
      const { cookie } = browser;
      await browser.post('/log-out');
      assert.deepEqual([browser.cookie, await redis.keys()], [undefined, []]);
      browser.cookie = cookie;
      assert.deepEqual(JSON.parse((await browser.get('/')).content), { remembered: false });
    }));
}

test('a sign-in without the box changes nothing but the id and the user', () =>
  visit('express', async (browser) => {
    const response = await browser.post('/sign-in/anna');
    assert.match(response.headers.getSetCookie()[0], /^sid=\w{48}; HttpOnly; SameSite=Lax; Path=\/$/);
    await browser.post('/log-out');
    handle.run = async ({ session }) => {
      session.cart = ['pear'];
    };
    await browser.post('/run');
    const before = browser.cookie;
    await browser.post('/sign-in/anna');
    assert.notEqual(browser.cookie, before);
    const { cart, userid, _session } = JSON.parse(await redis.record());
    assert.deepEqual([cart, userid, 'remembered' in _session], [['pear'], 'anna', false]);
  }));

test('the sign-in counts that is stored, with regenerate and save as Passport calls them', () =>
  visit('express', async (browser) => {
    const run = async (steps) => {
      handle.run = steps;
      return browser.post('/run');
    };
    const regenerated = async (req) => {
      await req.session.regenerate();
      await req.session.save();
      await req.session.signIn(7, { remember: true });
    };
    await assertRemembered(true, browser, await run(regenerated));
    const saved = async (req) => {
      await req.session.signIn(7, { remember: true });
      await req.session.save();
      req.session.later = 1;
    };
    await assertRemembered(true, browser, await run(saved));
    const other = async (req) => {
      await req.session.signIn(7, { remember: true });
      await req.session.signIn(8);
    };
    await assertRemembered(false, browser, await run(other));
    const ended = async (req) => {
      await req.session.signIn(7, { remember: true });
      await req.session.regenerate();
      req.session.userid = 9;
    };
    await assertRemembered(false, browser, await run(ended));
    const notAwaited = async (req) => {
      req.session.signIn(7, { remember: true }, (error) => assert.ifError(error));
    };
    await assertRemembered(true, browser, await run(notAwaited));
  }));

test('an invalid user is an error that says what is allowed, and nothing is changed', () =>
  visit('express', async (browser) => {
    const users = ['', 1.5, 2 ** 53, -(2 ** 60), NaN, Infinity, null, undefined, true, 7n, ['anna'], { id: 7 }];
    const allowed = { name: 'TypeError', message: /"userid".*a text that is not empty, or by an integer of at most 53 bits/ };
    let refused = 0;
    handle.run = async ({ session }) => {
      for (const user of users) {
        await assert.rejects(session.signIn(user, { remember: true }), allowed, String(user));
        refused += 1;
      }
      await new Promise((wake) => session.signIn('', undefined, (error) => wake(assert.match(error.message, /not empty/))));
    };
    assert.equal((await browser.post('/run')).status, 200);
    assert.deepEqual([refused, browser.cookie, await redis.keys()], [users.length, undefined, []]);
  }));

test('who signs in to a session that ended, or without a response, is told so', () =>
  visit('node:http', async (browser) => {
    await browser.post('/sign-in/anna');
    let refused = 0;
    handle.run = async (req) => {
      const { session } = req;
      await session.regenerate();
      await assert.rejects(session.signIn('anna'), /ended or replaced/);
      const fresh = req.session;
      await fresh.destroy();
      await assert.rejects(fresh.signIn('anna'), /ended or replaced/);
      refused += 1;
    };
    const { cookie } = browser;
    await browser.post('/run');
    assert.deepEqual([refused, await redis.keys()], [1, []]);
    const session = await sessions.load({ headers: { cookie } });
    await assert.rejects(session.signIn('anna'), /no response/);
  }));

test('settings say how long a user stays signed in, and which field names the user', async () => {
  const options = { store: redis.url, rememberTtl: '2d', rememberLifetime: '3d', principalField: 'who' };
  const own = new SessionManager(options);
  const [base, close] = await serve(own.listener(async (req, res) => res.end(await handle(req))));
  try {
    const response = await new Browser(base).post('/remember/anna');
    assert.match(response.headers.getSetCookie()[0], new RegExp(`; Max-Age=${3 * DAY}$`));
    assert.equal(JSON.parse(await redis.record()).who, 'anna');
    const ttl = Number((await redis.command('TTL', (await redis.keys())[0])).slice(1));
    assert.ok(ttl > DAY && ttl <= 2 * DAY, String(ttl));
    assert.throws(() => new SessionManager({ rememberTtl: 'long' }), /SESSION_REMEMBER_TTL/);
    assert.throws(() => new SessionManager({ rememberLifetime: 'long' }), /SESSION_REMEMBER_LIFETIME/);
  } finally {
    await close();
  }
});
