// `req.session` in Express 5 and 4, as users of express-session know it.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const { after, before, beforeEach, describe, test } = require('node:test');
const { Readable } = require('node:stream');
const { inspect } = require('node:util');
const { pipeline } = require('node:stream/promises');
const { SessionManager } = require('shared-session');
const session = require('shared-session/express');
const { Redis } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');

for (const name of ['express', 'express4']) {
  const express = require(name);

  describe(name, () => {
    let redis, sessions, server, base, browser, other;
    /** Where requests wait for the test. */
    const gates = new Map();

    before(async () => {
      redis = await Redis.start();
      sessions = new SessionManager({ store: redis.url });
      server = http.createServer(app());
      base = await listen(server);
    });
    after(async () => {
      server.close();
      server.closeAllConnections();
      await redis.stop();
    });
    beforeEach(async () => {
      await redis.command('FLUSHALL');
      browser = new Browser(base);
      other = new Browser(base);
    });

    function app() {
      const app = express();
      app.disable('x-powered-by');
      app.use((req, res, next) => {
        res.setHeader('x-outer', '1');
        next();
      });
      app.use(session(sessions));
      app.get('/', (req, res) => res.json({ ...req.session }));
      app.get('/about', (req, res) => {
        const { id, cookie } = req.session;
        res.json({ id, user: sessions.user(req.session), maxAge: cookie.maxAge, keys: Object.keys(req.session) });
      });
      app.post('/set/:name', express.text(), (req, res) => {
        req.session[req.params.name] = JSON.parse(req.body);
        res.send('set');
      });
      app.post('/sign-in', (req, res) => {
        req.session.renew();
        req.session.userid = 'anna';
        res.redirect('/');
      });
      app.post('/log-out', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.redirect('/'))));
      app.post('/cart', (req, res) => {
        req.session.cart ??= [];
        req.session.cart.push('pear');
        res.end();
      });
      app.post('/run/:name', async (req, res, next) => {
        try {
          await handlers[req.params.name](req, res, next);
        } catch (error) {
          next(error);
        }
      });
      app.use((error, req, res, next) => {
        res.status(error.status ?? 500).send(`handled: ${error.message}`);
      });
      return app;
    }

    const handlers = {
      async wait(req, res) {
        req.session.late = 1;
        await new Promise((open) => gates.set('entered', open) && gates.get('arrived')());
        res.set('x-handler', '1').send('done');
      },
      async regenerate(req, res) {
        await req.session.regenerate();
        req.session.fresh = true;
        res.end('ok');
      },
      async saved(req, res) {
        const { session } = req;
        session.list = ['a'];
        await session.save();
        const stored = await redis.record();
        session.list.push('b');
        session.second = 2;
        await session.save();
        session.list.push('c');
        res.json({ stored });
      },
      async reload(req, res) {
        const seen = req.session.n;
        await other.post('/set/n', { body: '2', headers: { 'content-type': 'text/plain' } });
        req.session.forgotten = 1;
        await req.session.reload();
        res.json({ seen, now: req.session.n, forgotten: req.session.forgotten });
      },
      async writeHead(req, res) {
        res.writeHead(201, 'Made', { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] });
        assert.throws(() => res.setHeader('x', '1'), { code: 'ERR_HTTP_HEADERS_SENT' });
        assert.ok(res.headersSent);
        req.session.n = 1;
        res.write('one ');
        res.end('two');
        assert.ok(res.writableEnded);
      },
      async writeHeadPairs(req, res) {
        req.session.n = 1;
        res.writeHead(200, ['x-a', '1', 'x-a', '2']).end('pairs');
      },
      async piped(req, res) {
        req.session.n = 1;
        Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(10_000, 'x'))).pipe(res);
      },
      async pipeline(req, res) {
        req.session.n = 1;
        await pipeline(fs.createReadStream(__filename), res);
      },
      async sendFile(req, res) {
        req.session.n = 1;
        res.sendFile(__filename);
      },
      async callback(req, res) {
        req.session.n = 1;
        await new Promise((wake) => res.end('called', wake));
        assert.ok(res.writableFinished);
      },
      async tooLarge(req, res) {
        req.session.big = 'x'.repeat(300_000);
        fs.createReadStream(__filename).pipe(res);
      },
      async tooLargeAwaited(req, res) {
        req.session.big = 'x'.repeat(300_000);
        await pipeline(fs.createReadStream(__filename), res).catch(() => gates.get('piped')());
      },
      async tooLargeCallback(req, res) {
        req.session.big = 'x'.repeat(300_000);
        res.end('never', (error) => gates.get('called')(error));
      },
      async signInAndSave(req, res) {
        await req.session.renew();
        req.session.userid = 'anna';
        await req.session.save();
        const withOldId = new Browser(base);
        withOldId.cookie = req.headers.cookie;
        res.send((await withOldId.get('/')).content);
      },
      async unawaited(req, res) {
        req.session.n = 1;
        void req.session.save();
        await req.session.regenerate();
        req.session.second = 2;
        res.end();
      },
      async invalid(req, res) {
        req.session.bad = { deep: [undefined] };
        res.set('x-handler', '1').send('done');
      },
      async after(req, res) {
        res.end('done');
        await assert.rejects(req.session.save(), /begun/);
        await assert.rejects(req.session.destroy(), /begun/);
      },
      async members(req, res) {
        const { session } = req;
        assert.throws(() => (session.id = 1), /cannot be set/);
        assert.throws(() => (session.cookie.maxAge = 1), /cannot be set/);
        assert.throws(() => (session.cookie = {}), /cannot be set/);
        assert.equal(session.touch(), session);
        session.a = { b: 1 };
        assert.equal(inspect(session), '{ a: { b: 1 } }');
        session.save = 1;
        res.end();
      },
      async nulled(req, res) {
        req.session = null;
        res.end();
      },
      async replaced(req, res) {
        req.session = { n: 1 };
        res.end();
      },
      async inPlace(req, res) {
        req.session.exact.n = 1;
        req.session.exact = req.session.exact;
        res.end();
      },
      async assigned(req, res) {
        req.session.exact = { n: req.session.exact.n };
        res.end();
      },
    };

    const set = (name, value) => browser.post(`/set/${name}`, { body: value, headers: { 'content-type': 'text/plain' } });
    const fields = async () => JSON.parse((await browser.get('/')).content);

    test('a visit without a session costs nothing', async () => {
      const response = await browser.get('/');
      assert.equal(response.content, '{}');
      assert.deepEqual([browser.cookie, response.headers.get('vary')], [undefined, 'Cookie']);
      assert.deepEqual(await redis.keys(), []);
    });

    test('fields are kept, also nested changes', async () => {
      const response = await set('name', '"Anna"');
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.match(response.headers.getSetCookie()[0], /^sid=\w+; HttpOnly; SameSite=Lax; Path=\/$/);
      await browser.post('/cart');
      await browser.post('/cart');
      assert.deepEqual(await fields(), { name: 'Anna', cart: ['pear', 'pear'] });
    });

    test('a sign-in renews the id and keeps the fields, and a log-out ends the session', async () => {
      await browser.post('/cart');
      const { cookie } = browser;
      assert.equal((await browser.post('/sign-in')).status, 302);
      assert.notEqual(browser.cookie, cookie);
      assert.deepEqual(await fields(), { cart: ['pear'], userid: 'anna' });
      const about = JSON.parse((await browser.get('/about')).content);
      assert.deepEqual([about.user, about.id.length, about.keys.sort()], ['anna', 43, ['cart', 'userid']]);
      assert.ok(about.maxAge > 0);

      await browser.post('/log-out');
      assert.equal(browser.cookie, undefined);
      assert.deepEqual(await redis.keys(), []);
    });

    test('a session that is set to null ends', async () => {
      await browser.post('/cart');
      await browser.post('/run/nulled');
      assert.deepEqual([browser.cookie, await redis.keys()], [undefined, []]);
    });

    test('regenerate begins an empty session under a new id', async () => {
      await browser.post('/cart');
      const { cookie } = browser;
      await browser.post('/run/regenerate');
      assert.notEqual(browser.cookie, cookie);
      assert.deepEqual(await fields(), { fresh: true });
      assert.equal((await redis.keys()).length, 1);
    });

    test('save stores at once, and later changes are stored with the response', async () => {
      const { stored } = JSON.parse((await browser.post('/run/saved')).content);
      assert.match(stored, /"list":\["a"\]/);
      assert.deepEqual(await fields(), { list: ['a', 'b', 'c'], second: 2 });
    });

    test('reload shows what other requests stored', async () => {
      await set('n', '1');
      other.cookie = browser.cookie;
      assert.deepEqual(JSON.parse((await browser.post('/run/reload')).content), { seen: 1, now: 2 });
      assert.deepEqual(await fields(), { n: 2 });
    });

    test('every way to write a response stores the session first', async () => {
      const length = fs.statSync(__filename).size;
      for (const [way, status, size] of [
        ['writeHead', 201, 7],
        ['writeHeadPairs', 200, 5],
        ['piped', 200, 1_000_000],
        ['pipeline', 200, length],
        ['sendFile', 200, length],
        ['callback', 200, 6],
      ]) {
        browser.cookie = undefined;
        const response = await browser.post(`/run/${way}`);
        assert.deepEqual([response.status, Buffer.byteLength(response.content)], [status, size], way);
        assert.deepEqual(await fields(), { n: 1 }, way);
        if (way === 'writeHead') {
          assert.deepEqual(response.headers.getSetCookie().map((line) => line[0]), ['a', 'b', 's']);
          assert.equal(response.statusText, 'Made');
        }
      }
    });

    test('a change is refused with 409 if the session ended meanwhile, and the response is replaced', async () => {
      await set('n', '1');
      const arrived = new Promise((wake) => gates.set('arrived', wake));
      const waiting = browser.post('/run/wait', { headers: { accept: 'application/json' } });
      await arrived;
      other.cookie = browser.cookie;
      await other.post('/log-out');
      gates.get('entered')();
      const response = await waiting;
      assert.equal(response.status, 409);
      assert.match(response.headers.get('content-type'), /problem\+json/);
      assert.equal(JSON.parse(response.content).code, 'session_ended');
      assert.deepEqual([response.headers.get('x-handler'), response.headers.get('x-outer')], [null, '1']);
      assert.deepEqual(await redis.keys(), []);
    });

    test('a change that is too large is refused with 413, also when a stream was piped', async () => {
      const response = await browser.post('/run/tooLarge');
      assert.equal(response.status, 413);
      assert.match(response.content, /Your session is full/);
      assert.deepEqual(await redis.keys(), []);
    });

    test('a handler learns that its response was replaced', async () => {
      const piped = new Promise((wake) => gates.set('piped', wake));
      assert.equal((await browser.post('/run/tooLargeAwaited')).status, 413);
      await piped;
      const called = new Promise((wake) => gates.set('called', wake));
      assert.equal((await browser.post('/run/tooLargeCallback')).status, 413);
      assert.equal((await called).status, 413);
    });

    test('a sign-in that is saved at once is never stored under the old id', async () => {
      await browser.post('/cart');
      const { cookie } = browser;
      assert.equal((await browser.post('/run/signInAndSave')).content, '{}');
      assert.notEqual(browser.cookie, cookie);
      assert.deepEqual(await fields(), { cart: ['pear'], userid: 'anna' });
    });

    test('a session that is regenerated while it is saved ends', async () => {
      await browser.post('/cart');
      await browser.post('/run/unawaited');
      assert.deepEqual(await fields(), { second: 2 });
      assert.equal((await redis.keys()).length, 1);
    });

    test('values that JSON cannot hold are an error for the error handler', async () => {
      const response = await browser.post('/run/invalid');
      assert.equal(response.status, 500);
      assert.equal(response.content, 'handled: session field "bad" holds undefined, which JSON cannot hold');
      assert.equal(response.headers.get('x-handler'), null);
      assert.match((await browser.post('/run/members')).content, /"save" has the name of a member/);
      assert.match((await browser.post('/run/replaced')).content, /replaced by another object/);
    });

    test('a change after the response is an error', async () => {
      assert.equal((await browser.post('/run/after')).content, 'done');
    });

    test('a number that JavaScript cannot hold is never written back', async () => {
      const exact = '{"n":9007199254740993,"f":1.0}';
      await set('other', '1');
      const [key] = await redis.keys();
      const record = (await redis.command('GET', key)).replace('"other":1', `"other":1,"exact":${exact}`);
      await redis.command('SET', key, record, 'KEEPTTL');
      await browser.post('/cart');
      assert.ok((await redis.record()).includes(exact));
      const refused = await browser.post('/run/inPlace');
      assert.match(refused.content, /changed in place, but holds a number/);
      assert.ok((await redis.record()).includes(exact));
      await browser.post('/run/assigned');
      assert.ok((await redis.record()).includes('"exact":{"n":9007199254740992}'));
    });
  });
}

test('the store is gone: 503 and Retry-After, and the cookie stays', async () => {
  const express = require('express');
  const redis = await Redis.start();
  const lines = [];
  const sessions = new SessionManager({ store: redis.url, storeTimeout: '300ms', log: (level, line) => lines.push([level, line]) });
  const app = express();
  app.use(session(sessions));
  app.get('/', async (req, res) => {
    if (req.query.stop) {
      await redis.stop();
    }
    req.session.n = (req.session.n ?? 0) + 1;
    res.send(`${req.session.n}`);
  });
  const server = http.createServer(app);
  const browser = new Browser(await listen(server));
  assert.equal((await browser.get('/')).content, '1');
  const { cookie } = browser;
  for (const path of ['/?stop=1', '/']) {
    const response = await browser.get(path);
    assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '1'], path);
    assert.equal(browser.cookie, cookie);
  }
  browser.cookie = undefined;
  assert.equal((await browser.get('/')).status, 503, 'a change that could not be stored is not answered as done');
  assert.ok(lines.some(([level, line]) => level === 'error' && /session store/.test(line)), JSON.stringify(lines));
  assert.ok(!JSON.stringify(lines).includes(cookie.slice(4)));
  server.close();
  server.closeAllConnections();
});
