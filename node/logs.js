// Makes the console write what the services in Rust would: LOG_LEVEL and LOG_FORMAT decide.
'use strict';
const { format } = require('node:util');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'];
const { LOG_LEVEL = '', LOG_FORMAT } = process.env;
// levels for parts of a service in Rust mean nothing here
const most = LOG_LEVEL.toLowerCase().split(',').findLast((part) => LEVELS.includes(part)) ?? 'info';

for (const level of ['error', 'warn']) {
  const write = console[level];
  console[level] = (...values) => {
    if (LEVELS.indexOf(level) > LEVELS.indexOf(most)) {
      return;
    }
    const line = { timestamp: new Date().toISOString(), level: level.toUpperCase(), message: format(...values), target: 'node' };
    write(...(LOG_FORMAT === 'json' ? [JSON.stringify(line)] : values));
  };
}
