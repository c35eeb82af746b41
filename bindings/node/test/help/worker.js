// A worker with many reads and changes in flight, until somebody ends it.
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const { SessionManager } = require('shared-session');

const sessions = new SessionManager({ store: workerData.url, log: () => {} });
const req = { method: 'GET', headers: { cookie: workerData.cookie } };
async function read() {
  for (;;) {
    const session = await sessions.load(req);
    session.n = Math.random();
    await session.save();
    await sessions.list('anna');
  }
}
for (let index = 0; index < 20; index++) {
  read().catch(() => {});
}
setTimeout(() => parentPort.postMessage('busy'), 5);
