// Prints one line for each check and a summary, in the format of tests/lib.sh.
import { isDeepStrictEqual } from 'node:util';

let passed = 0;
let failed = 0;

// `details` is printed if the check fails.
export function check(name, condition, details) {
  if (condition) {
    passed += 1;
    console.log(`ok   ${name}`);
  } else {
    failed += 1;
    console.log(`FAIL ${name}`);
    if (details !== undefined) console.log(String(details).replace(/^/gm, '     '));
  }
}

export function equal(name, actual, expected) {
  const show = (value) => JSON.stringify(value);
  check(name, isDeepStrictEqual(actual, expected), `got ${show(actual)}, expected ${show(expected)}`);
}

// Prints the summary. Returns whether all checks passed.
export function summary() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0;
}
