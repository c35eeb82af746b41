// Waiting for the end of a session.
'use strict';
const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const path = require('node:path');
const { afterEach, beforeEach, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const v8 = require('node:v8');
const vm = require('node:vm');
const express = require('express');
const { SessionManager } = require('shared-session');
const session = require('shared-session/express');
const { Browser, listen } = require('./help/browser.js');
const { Redis } = require('./help/redis.js');
const { soon, until } = require('./help/wait.js');

let redis, told, asking, req;

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');

/** The examples of the documentation. */
const page = fs.readFileSync(path.join(__dirname, '../../../docs/node.md'), 'utf8');
const examples = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code).filter((code) => code.includes('.ended('));

beforeEach(async () => {
  redis = await Redis.start();
  told = new SessionManager({ store: redis.url, cache: '60s' });
  asking = new SessionManager({ store: redis.url, log: () => {} });
  const listener = asking.listener(async (req, res) => {
    await req.session.signIn('anna');
    res.end();
  });
  const server = http.createServer(listener);
  const browser = new Browser(await listen(server));
  await browser.post('/');
  req = { method: 'GET', headers: { cookie: browser.cookie } };
  server.close();
  server.closeAllConnections();
});
afterEach(() => redis.stop());

/** Changes a field. Those who wait are told, and ask. */
async function change() {
  const session = await asking.load(req);
  session.changed = (session.changed ?? 0) + 1;
  await session.save();
  await sleep(1000);
}

/** Returns how many commands a change costs if nobody waits. */
async function costsAlone() {
  await change(); // stores scripts
  return redis.costs(change);
}

const logOut = async () => (await asking.load(req)).destroy();

async function signInAnother() {
  const session = await asking.load(req);
  session.userid = 'bert';
  await session.save();
}

for (const [name, end] of Object.entries({
  'a log-out': logOut,
  'a revocation': () => asking.revokeAll('anna'),
  'another user': signInAnother,
})) {
  test(`${name} ends the waiting, and a change of another field does not`, async () => {
    const ended = [];
    const session = await told.load(req);
    const waiting = { told: session, asking: await asking.load(req) };
    const all = Object.entries(waiting).map(([name, session]) => session.ended().then((value) => ended.push([name, value])));
    await sleep(500);
    await change();
    assert.deepEqual(ended, []);
    await end();
    await soon(Promise.all(all));
    // where Redis tells, sooner than where the process asks
    assert.deepEqual(ended, [['told', undefined], ['asking', undefined]]);
    await soon(session.ended()); // it ended before
  });
}

test('without a session, the waiting does not end, and can be aborted', async () => {
  const none = await told.load({ method: 'GET', headers: {} });
  const closed = new AbortController();
  const ended = none.ended({ signal: closed.signal });
  assert.equal(await Promise.race([ended, sleep(500, 'pending')]), 'pending');
  closed.abort(new Error('closed'));
  await assert.rejects(ended, /^Error: closed$/);
  await assert.rejects(none.ended({ signal: closed.signal }), /^Error: closed$/);
});

test('whoever aborts the waiting leaves nothing behind', async () => {
  const alone = await costsAlone();
  const session = await told.load(req);
  const closed = new AbortController();
  const waiting = Array.from({ length: 10 }, () => session.ended({ signal: closed.signal }));
  await sleep(500);
  assert.ok((await redis.costs(change)) >= alone + 10);
  closed.abort();
  const results = await Promise.allSettled(waiting);
  assert.deepEqual([...new Set(results.map(({ reason }) => reason.name))], ['AbortError']);
  assert.equal(await redis.costs(change), alone);
});

/** Serves the first example, and runs `use` with the address. */
async function served(use) {
  const app = express();
  app.use(session(told));
  new Function('app', examples[0])(app);
  const server = http.createServer(app);
  try {
    await use(await listen(server));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('an event stream closes itself', () =>
  served(async (base) => {
    const response = await fetch(`${base}/events`, req);
    await logOut();
    assert.match(await soon(response.text()), /^(data: still signed in\n\n)*$/);
  }));

test('a response that is closed ends the waiting', () =>
  served(async (base) => {
    const alone = await costsAlone();
    const closed = new AbortController();
    const open = () => fetch(`${base}/events`, { ...req, signal: closed.signal });
    await Promise.all(Array.from({ length: 5 }, open));
    await until(async () => (await redis.costs(change)) >= alone + 5);
    closed.abort();
    await until(async () => (await redis.costs(change)) === alone);
  }));

test('nobody begins to wait for a response that is closed, also of HTTP/2', async () => {
  const alone = await costsAlone();
  const arrived = new EventEmitter();
  const listener = told.listener(async (req, res) => {
    arrived.emit('request');
    await once(res, 'close');
    const late = Array.from({ length: 20 }, () => req.session.ended());
    arrived.emit('late', late);
  });
  const servers = [http.createServer(listener), http2.createServer(listener)];
  const [base, base2] = await Promise.all(servers.map(listen));
  const closed = new AbortController();
  let [request, late] = [once(arrived, 'request'), once(arrived, 'late')];
  void fetch(base, { ...req, signal: closed.signal }).catch(() => {});
  await request;
  closed.abort();
  await late;

  [request, late] = [once(arrived, 'request'), once(arrived, 'late')];
  const client = http2.connect(base2);
  client.request({ ':path': '/', cookie: req.headers.cookie }).on('error', () => {});
  await request;
  client.destroy();
  await late;
  await sleep(500);
  assert.equal(await redis.costs(change), alone);
  servers.forEach((server) => server.close());
});

test('a websocket closes itself', async () => {
  const websocket = Object.assign(new EventEmitter(), { close: (code) => websocket.emit('close', code) });
  const AsyncFunction = (async () => {}).constructor;
  await new AsyncFunction('sessions', 'req', 'websocket', examples[1])(told, req, websocket);
  gc(); // nobody holds the session any more
  const closed = once(websocket, 'close');
  await logOut();
  assert.deepEqual(await soon(closed), [1008]);
});
