// The session behind a Sentinel, in a cluster and over TLS.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { SessionManager, SessionUnavailable } = require('shared-session');
const { withCluster, withSentinel, withTls } = require('./help/stores.js');
const { Browser, listen } = require('./help/browser.js');

/** Runs `use` with a function that sends requests, each of which sets the field that its path names. */
async function served(sessions, use) {
  const server = http.createServer(
    sessions.listener((req, res) => {
      if (req.method === 'POST') {
        req.session[req.url.slice(1)] = 1;
      }
      res.end(JSON.stringify(req.session));
    }),
  );
  const base = await listen(server);
  try {
    await use(() => new Browser(base));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const fields = async (browser) => JSON.parse((await browser.get('/')).content);

test('a session survives a fail-over, and is changed after it', () =>
  withSentinel((store, killPrimary) =>
    served(new SessionManager({ store, log: () => {} }), async (visit) => {
      const browser = visit();
      assert.equal((await browser.post('/a')).status, 200);
      await killPrimary();
      for (let status = 503; status !== 200; ({ status } = await browser.post('/b'))) {
        assert.equal(status, 503);
        await sleep(100);
      }
      assert.deepEqual(await fields(browser), { a: 1, b: 1 });
    }),
  ));

test('sessions are spread over a cluster', () =>
  withCluster((store) =>
    served(new SessionManager({ store, principalField: 'user' }), async (visit) => {
      const browsers = Array.from({ length: 10 }, visit);
      for (const browser of browsers) {
        await browser.post('/user');
        await browser.post('/b');
      }
      for (const browser of browsers) {
        assert.deepEqual(await fields(browser), { user: 1, b: 1 });
      }
      assert.equal(await new SessionManager({ store, principalField: 'user' }).revokeAll(1), 10);
      assert.deepEqual(await fields(browsers[0]), {});
    }),
  ));

test('a server with TLS is used if its CA is trusted', () =>
  withTls(async (store, storeCaFile) => {
    await assert.rejects(new SessionManager({ store, log: () => {} }).ready(), SessionUnavailable);
    await served(new SessionManager({ store, storeCaFile }), async (visit) => {
      const browser = visit();
      await browser.post('/a');
      await browser.post('/b');
      assert.deepEqual(await fields(browser), { a: 1, b: 1 });
    });
  }));
