// One line for each check, as the shell's tests write them, and a summary that fails where one failed.
import { isDeepStrictEqual } from 'node:util';

let passed = 0;
let failed = 0;

export function check(what, holds, seen) {
  if (holds) {
    passed += 1;
    console.log(`ok   ${what}`);
  } else {
    failed += 1;
    console.log(`FAIL ${what}`);
    if (seen !== undefined) console.log(String(seen).replace(/^/gm, '     '));
  }
}

export function same(what, found, expected) {
  const show = (value) => JSON.stringify(value);
  check(what, isDeepStrictEqual(found, expected), `found ${show(found)}, expected ${show(expected)}`);
}

export function summary() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0;
}
