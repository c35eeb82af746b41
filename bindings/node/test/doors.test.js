// Fastify, node:http and the registry; settings; sessions shared with Rust.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const { after, before, beforeEach, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { SessionManager, SessionConflict, SessionError, SessionUnavailable } = require('shared-session');
const { Redis, freePort } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');

let redis, sessions;
before(async () => {
  redis = await Redis.start();
  sessions = new SessionManager({ store: redis.url });
});
after(() => redis.stop());
beforeEach(() => redis.command('FLUSHALL'));


/** What both applications do, for a request with this path. Returns what is sent. */
async function handle(request) {
  const { session } = request;
  const [, what, value] = request.url.split('/');
  switch (what) {
    case 'set':
      session.value = value;
      return 'set';
    case 'sign-in':
      await session.renew();
      session.userid = value;
      return 'signed in';
    case 'log-out':
      await session.destroy();
      return 'signed out';
    case 'big':
      session.big = 'x'.repeat(300_000);
      return 'big';
    case 'slow':
      session.value = 'slow';
      await handle.gate();
      return 'slow';
    default:
      return JSON.stringify({ ...session });
  }
}

const applications = {
  async fastify(manager = sessions) {
    const fastify = require('fastify')();
    fastify.addHook('onRequest', async (request, reply) => void reply.header('x-outer', '1'));
    await fastify.register(require('shared-session/fastify'), { sessions: manager });
    fastify.all('/*', (request) => handle(request));
    const base = await fastify.listen({ port: 0, host: '127.0.0.1' });
    return [base, () => fastify.close()];
  },
  async 'node:http'(manager = sessions) {
    const listener = manager.listener(async (req, res) => {
      const text = await handle(req);
      res.writeHead(200, { 'content-type': 'text/plain' });
      res.end(text);
    });
    const server = http.createServer((req, res) => {
      res.setHeader('x-outer', '1');
      return listener(req, res);
    });
    const base = await listen(server);
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    return [base, close];
  },
};

for (const [name, start] of Object.entries(applications)) {
  test(`${name}: fields, sign-in, log-out, 413 and 409`, async () => {
    const [base, close] = await start();
    const browser = new Browser(base);
    try {
      const visit = await browser.get('/');
      assert.deepEqual([visit.content, visit.headers.get('vary'), browser.cookie], ['{}', 'Cookie', undefined]);
      await browser.post('/set/1');
      const { cookie } = browser;
      await browser.post('/sign-in/anna');
      assert.notEqual(browser.cookie, cookie);
      assert.deepEqual(JSON.parse((await browser.get('/')).content), { value: '1', userid: 'anna' });

      const big = await browser.post('/big', { headers: { accept: 'application/json' } });
      assert.deepEqual([big.status, JSON.parse(big.content).status, big.headers.get('x-outer')], [413, 413, '1']);

      let open;
      const arrived = new Promise((wake) => {
        handle.gate = () => new Promise((go) => ((open = go), wake()));
      });
      const slow = browser.post('/slow');
      await arrived;
      await browser.post('/log-out');
      open();
      assert.equal((await slow).status, 409);
      assert.equal(browser.cookie, undefined);
      assert.deepEqual(await redis.keys(), []);
    } finally {
      await close();
    }
  });
}

for (const [name, start] of Object.entries(applications)) {
  test(`${name}: 503 and Retry-After if the store is away, but only for those who have a session`, async () => {
    const away = new SessionManager({ store: `redis://127.0.0.1:${await freePort()}`, storeTimeout: '100ms', log: () => {} });
    const [base, close] = await start(away);
    const browser = new Browser(base);
    assert.equal((await browser.get('/')).status, 200);
    browser.cookie = `sid=${'a'.repeat(48)}`;
    const response = await browser.get('/');
    const headers = ['retry-after', 'cache-control', 'x-outer', 'set-cookie'].map((name) => response.headers.get(name));
    assert.deepEqual([response.status, ...headers], [503, '1', 'no-store', '1', null]);
    await close();
  });
}

test('a user who signs in again under the same id has signed in', async () => {
  const [base, close] = await applications['node:http']();
  const browser = new Browser(base);
  const signedIn = async () => JSON.parse(await redis.record())._session.signed_in;
  await browser.post('/sign-in/anna');
  const first = await signedIn();
  await sleep(1000); // the record has seconds
  await browser.post('/sign-in/anna');
  assert.notEqual(await signedIn(), first);
  await close();
});

test('HTTP/2 works as HTTP/1 does', async () => {
  const server = http2.createServer(sessions.listener(async (req, res) => res.end(await handle(req))));
  const client = http2.connect(await listen(server));
  const request = async (method, path, cookie) => {
    const stream = client.request({ ':method': method, ':path': path, ...(cookie && { cookie }) });
    const [headers] = await once(stream, 'response');
    return { headers, text: (await stream.toArray()).join('') };
  };
  const { headers } = await request('POST', '/set/1');
  const [cookie] = headers['set-cookie'][0].split(';');
  assert.equal((await request('GET', '/', cookie)).text, '{"value":"1"}');
  assert.equal((await request('POST', '/big', cookie)).headers[':status'], 413);
  client.close();
  server.close();
});

test('a session without a response can be changed, but gets no new id', async () => {
  const [base, close] = await applications['node:http']();
  const browser = new Browser(base);
  await browser.post('/set/1');
  const load = () => sessions.load({ headers: { cookie: browser.cookie } });
  const session = await load();
  session.value = '2';
  await session.save();
  session.value = '3';
  await session.save();
  assert.equal((await load()).value, '3');
  await assert.rejects(session.renew(), /no response/);
  await session.destroy();
  assert.deepEqual(await redis.keys(), []);

  const none = await load();
  none.value = 1;
  await assert.rejects(none.save(), /no response/);
  assert.deepEqual(await redis.keys(), []);
  await close();
});

test('the registry lists and revokes the sessions of a user', async () => {
  const [base, close] = await applications['node:http']();
  const browsers = [new Browser(base), new Browser(base), new Browser(base)];
  for (const [index, browser] of browsers.entries()) {
    await browser.post('/sign-in/anna', { headers: { 'user-agent': `device ${index}` } });
  }
  const current = await sessions.load({ method: 'GET', headers: { cookie: browsers[0].cookie } });
  const page = await sessions.list('anna', { current });
  assert.deepEqual(page.sessions.map(({ device }) => device).sort(), ['device 0', 'device 1', 'device 2']);
  const [own] = page.sessions.filter((info) => info.current);
  assert.deepEqual([own.device, own.handle, page.next], ['device 0', current.id, undefined]);
  assert.ok(own.created instanceof Date && own.lastUsed instanceof Date);
  assert.equal((await sessions.list('anna', { limit: 2 })).next, 2);

  const [other] = page.sessions.filter((info) => !info.current);
  assert.equal(await sessions.revoke('anna', other.handle), true);
  assert.equal(await sessions.revoke('anna', 'nonsense'), false);
  assert.equal(await sessions.revokeOthers('anna', current), 1);
  assert.equal(await sessions.revokeAll('anna'), 1);
  current.value = 'late';
  await assert.rejects(current.save(), SessionConflict);
  await close();
});

test('settings come from options or the environment, and an error names the invalid one', () => {
  assert.throws(() => new SessionManager({ ttl: 'soon' }), /SESSION_TTL/);
  assert.throws(() => new SessionManager({ secret: 'keyboard cat' }), /SESSION_SECRET: unknown setting/);
  process.env.SESSION_SOMETHING_ELSE = 'ignored';
  process.env.SESSION_COOKIE_NAME = 'a b';
  assert.throws(() => new SessionManager(), /SESSION_COOKIE_NAME/);
  delete process.env.SESSION_COOKIE_NAME;
  assert.ok(new SessionManager());
});

test('an unreachable store is a SessionUnavailable with a response', async () => {
  const away = new SessionManager({ store: `redis://127.0.0.1:${await freePort()}`, storeTimeout: '100ms', log: () => {} });
  const { name, status, statusCode, retryAfter, code, message } = await away.ready().catch((error) => error);
  assert.deepEqual([name, status, statusCode, retryAfter, code], ['SessionUnavailable', 503, 503, 1, 'store_unavailable']);
  assert.match(message, /unavailable/);
  const error = await away.ready().catch((error) => error);
  assert.ok(error instanceof SessionUnavailable && error instanceof SessionError);
  const response = error.response('text/html');
  assert.deepEqual([response.status, response.headers['retry-after']], [503, '1']);
  assert.match(response.body, /You were not signed out/);
});

test('a session of the example in Rust is read and changed here and there', async () => {
  assert.ok(process.env.FIELDS, 'FIELDS has to be the path of the example in Rust: run test.sh');
  const port = await freePort();
  const env = { ...process.env, SESSION_STORE: redis.url, BIND: `127.0.0.1:${port}` };
  const rust = spawn(process.env.FIELDS, { env, stdio: 'ignore' });
  const [base, close] = await applications.fastify();
  try {
    const inRust = new Browser(`http://127.0.0.1:${port}`);
    while (!(await inRust.get('/').catch(() => false))) {
      await sleep(20);
    }
    await inRust.request('PUT', '/userid/anna');
    const inNode = new Browser(base);
    inNode.cookie = inRust.cookie;
    assert.deepEqual(JSON.parse((await inNode.get('/')).content), { userid: 'anna' });
    await inNode.post('/set/node');
    assert.deepEqual(JSON.parse((await inRust.get('/')).content), { userid: '"anna"', value: '"node"' });

    await inNode.post('/sign-in/berta');
    assert.equal((await inRust.get('/')).content, '{}', 'the old id opens nothing');
    inRust.cookie = inNode.cookie;
    assert.deepEqual(JSON.parse((await inRust.get('/')).content), { userid: '"berta"', value: '"node"' });
    await inRust.request('DELETE', '/');
    assert.equal((await inNode.get('/')).content, '{}');
  } finally {
    rust.kill();
    await close();
  }
});
