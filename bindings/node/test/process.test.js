// How processes and worker threads end.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { after, before, test } = require('node:test');
const { SessionManager } = require('shared-session');
const { Redis, freePort } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');
const http = require('node:http');

const ROUNDS = Number(process.env.ROUNDS ?? 40);
let redis, cookie;

before(async () => {
  redis = await Redis.start();
  const sessions = new SessionManager({ store: redis.url });
  const server = http.createServer(
    sessions.listener((req, res) => {
      req.session.userid = 'anna';
      res.end();
    }),
  );
  const browser = new Browser(await listen(server));
  await browser.post('/');
  cookie = browser.cookie;
  server.close();
  server.closeAllConnections();
});
after(() => redis.stop());

/** Runs a child that does `what`, and returns how it ended. */
async function run(what, env = {}) {
  const options = { env: { ...process.env, STORE: redis.url, COOKIE: cookie, ROUNDS, ...env } };
  const child = spawn(process.execPath, [`${__dirname}/help/child.js`, what], options);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...output };
}

test('workers can be terminated while calls are in flight', async () => {
  const { code, signal, stdout, stderr } = await run('terminate');
  assert.deepEqual([code, signal, stdout], [0, null, 'anna\n'], stderr);
});

test('workers can be terminated while they wait for the end of a session, and nobody waits on', async () => {
  const { code, signal, stdout, stderr } = await run('terminateWaiting', { ROUNDS: Math.ceil(ROUNDS / 2) });
  assert.deepEqual([code, signal, stdout], [0, null, 'true 0\n'], stderr);
});

test('waiting for the end of a session does not keep a process alive', async () => {
  const { code, signal, stdout, stderr } = await run('waitAndExit');
  assert.deepEqual([code, signal, stdout], [0, null, 'anna\n'], stderr);
});

test('a process ends by itself when its server is closed', async () => {
  const { code, signal, stdout, stderr } = await run('exitByItself');
  assert.deepEqual([code, signal, stdout], [0, null, 'anna\n'], stderr);
});

test('the processes of a cluster change one session, and end by themselves', async () => {
  const { code, stdout, stderr } = await run('cluster', { PORT: await freePort() });
  assert.deepEqual([code, stdout], [0, '[200,40,2,0,0]\n'], stderr);
});

test('the package is imported as an ES module and required as a CommonJS module', async () => {
  const [index, express, fastify] = await Promise.all(
    ['shared-session', 'shared-session/express', 'shared-session/fastify'].map((name) => import(name)),
  );
  assert.equal(index.SessionManager, SessionManager);
  assert.equal(express.default, require('shared-session/express'));
  assert.equal(express.session, express.default);
  assert.equal(fastify.sharedSession, fastify.default);
});

test('a process can throw, exit or be terminated while calls are in flight', async () => {
  for (let round = 0; round < Math.ceil(ROUNDS / 20); round++) {
    const thrown = await run('throwDuringCalls');
    assert.deepEqual([thrown.code, thrown.signal], [1, null], thrown.stderr);
    assert.match(thrown.stderr, /thrown on purpose/);
    const exited = await run('exitDuringCalls');
    assert.deepEqual([exited.code, exited.signal], [7, null], exited.stderr);
    const ended = await run('signalDuringCalls');
    assert.deepEqual([ended.code, ended.signal], [null, 'SIGTERM'], ended.stderr);
  }
});

test('the log does not keep a process alive', async () => {
  const { code, stdout } = await run('warnAndExit');
  assert.deepEqual([code, stdout], [0, '503\n']);
});
