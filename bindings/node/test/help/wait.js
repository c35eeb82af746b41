// Waits for what happens soon.
'use strict';
const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');

/** Waits until `isTrue` returns true. */
async function until(isTrue) {
  for (const deadline = Date.now() + 60_000; !(await isTrue()); await sleep(10)) {
    assert.ok(Date.now() < deadline, 'it does not happen');
  }
}

/** Fails if a promise stays pending. */
function soon(promise) {
  const late = sleep(60_000, undefined, { ref: false }).then(() => assert.fail('it does not happen'));
  return Promise.race([promise, late]);
}

module.exports = { soon, until };
