// A process that does what its argument names. The test looks at how it ends.
'use strict';
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');
const { SessionManager } = require('shared-session');
const session = require('shared-session/express');
const { Redis } = require('./redis.js');

const { STORE: url, COOKIE: cookie } = process.env;
const req = { method: 'GET', headers: { cookie } };

/** Keeps many calls in flight. */
function busy(sessions) {
  for (let index = 0; index < 50; index++) {
    void (async () => {
      for (;;) {
        const session = await sessions.load(req);
        session.n = index;
        await session.save();
      }
    })().catch(() => {});
  }
}

const ways = {
  /** Terminates workers while their calls are in flight. */
  async terminate() {
    for (let round = 0; round < Number(process.env.ROUNDS); round++) {
      const workers = Array.from({ length: 2 }, () => new Worker(`${__dirname}/worker.js`, { workerData: { url, cookie } }));
      await Promise.all(workers.map((worker) => new Promise((wake) => worker.once('message', wake))));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    const session = await new SessionManager({ store: url }).load(req);
    console.log(session.userid);
  },

  /** Serves one request and closes the server. */
  async exitByItself() {
    const express = require('express');
    const sessions = new SessionManager({ store: url });
    const app = express();
    app.use(session(sessions));
    app.get('/', (req, res) => res.send(req.session.userid));
    const server = http.createServer(app).listen(0, '127.0.0.1', async () => {
      const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { cookie, connection: 'close' } });
      console.log(await answer.text());
      server.close(() => sessions.drain());
    });
  },

  /** Serves from two processes, which change one session, and end when the primary disconnects them. */
  async cluster() {
    const cluster = require('node:cluster');
    if (!cluster.isPrimary) {
      const sessions = new SessionManager({ store: url });
      const listener = sessions.listener((req, res) => {
        req.session[req.url.slice(1)] = cluster.worker.id;
        res.setHeader('connection', 'close').end();
      });
      http.createServer(listener).listen(Number(process.env.PORT), '127.0.0.1');
      return;
    }
    const workers = [cluster.fork(), cluster.fork()];
    await Promise.all(workers.map((worker) => new Promise((wake) => worker.once('listening', wake))));
    const change = (name) => fetch(`http://127.0.0.1:${process.env.PORT}/${name}`, { method: 'POST', headers: { cookie } });
    const responses = await Promise.all(Array.from({ length: 40 }, (_, index) => change(`field${index}`)));
    const statuses = new Set(responses.map((response) => response.status));
    const exits = workers.map((worker) => new Promise((wake) => worker.once('exit', wake)));
    cluster.disconnect(async () => {
      const session = await new SessionManager({ store: url }).load(req);
      const fields = Object.keys(session).filter((name) => name.startsWith('field'));
      const servers = new Set(fields.map((name) => session[name]));
      console.log(JSON.stringify([...statuses, fields.length, servers.size, ...(await Promise.all(exits))]));
    });
  },

  async change() {
    const session = await new SessionManager({ store: url }).load(req);
    session.changed = 1;
    await session.save();
  },

  async logOut() {
    await (await new SessionManager({ store: url }).load(req)).destroy();
  },

  /** Waits for the end of the session, which does not come. */
  async waitAndExit() {
    const session = await new SessionManager({ store: url }).load(req);
    void session.ended();
    void new SessionManager({ store: url, cache: '2s' }).load(req).then((session) => session.ended());
    console.log(session.userid);
  },

  /** Terminates workers that wait for the end of the session, and while it ends. Logs how many commands they still send. */
  async terminateWaiting() {
    const redis = Object.assign(new Redis(), { port: new URL(url).port });
    const other = new SessionManager({ store: url });
    const change = async () => {
      const session = await other.load(req);
      session.n = (session.n ?? 0) + 1;
      await session.save();
      await sleep(1000); // those who wait are told, and ask
    };
    await change();
    const alone = await redis.costs(change);
    const sessions = new SessionManager({ store: url, cache: '60s' }); // keeps the engine of the workers
    const wait = () => new Worker(`${__dirname}/waiting.js`, { workerData: { url, cookie } });
    const workers = [wait(), wait()];
    await Promise.all(workers.map((worker) => new Promise((wake) => worker.once('message', wake))));
    const waiting = await redis.costs(change);
    await Promise.all(workers.map((worker) => worker.terminate()));
    console.log(waiting >= alone + 40, (await redis.costs(change)) - alone);
    for (let round = 0; round < Number(process.env.ROUNDS); round++) {
      const worker = wait();
      await new Promise((wake) => worker.once('message', wake));
      const session = await other.load(req);
      session.n = round;
      await Promise.all([session.save(), worker.terminate()]);
    }
    await sessions.ready();
  },

  async throwDuringCalls() {
    busy(new SessionManager({ store: url }));
    setTimeout(() => {
      throw new Error('thrown on purpose');
    }, 30);
  },

  async exitDuringCalls() {
    busy(new SessionManager({ store: url }));
    setTimeout(() => process.exit(7), 30);
  },

  async signalDuringCalls() {
    busy(new SessionManager({ store: url }));
    setTimeout(() => process.kill(process.pid, 'SIGTERM'), 30);
  },

  async warnAndExit() {
    const sessions = new SessionManager({ store: 'redis://127.0.0.1:1', storeTimeout: '50ms' });
    await sessions.load(req).catch((error) => console.log(error.status));
  },
};

ways[process.argv[2]]();
