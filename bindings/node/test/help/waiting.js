// A worker in which 20 wait for the end of a session, until somebody ends the worker.
'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { parentPort, workerData } = require('node:worker_threads');
const { SessionManager } = require('shared-session');

(async () => {
  const sessions = new SessionManager({ store: workerData.url, cache: '60s' });
  const session = await sessions.load({ method: 'GET', headers: { cookie: workerData.cookie } });
  for (let index = 0; index < 20; index++) {
    void session.ended();
  }
  await sleep(workerData.pause ?? 500);
  parentPort.postMessage('waiting');
  setInterval(() => {}, 1000);
})();
