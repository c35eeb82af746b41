// A client with one cookie.
'use strict';
const { once } = require('node:events');

class Browser {
  constructor(base) {
    this.base = base;
    this.cookie = undefined;
  }

  /** Sends a request, keeps the session cookie of the response, and returns the response with its text. */
  async request(method, path, { body, headers = {} } = {}) {
    const cookie = this.cookie ? { cookie: this.cookie } : {};
    const options = { method, body, redirect: 'manual', headers: { ...cookie, ...headers } };
    const response = await fetch(this.base + path, options);
    const text = await response.text();
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      if (pair.startsWith('sid=')) {
        this.cookie = pair === 'sid=' ? undefined : pair;
      }
    }
    return Object.assign(response, { content: text });
  }

  get(path, options) {
    return this.request('GET', path, options);
  }

  post(path, options) {
    return this.request('POST', path, options);
  }
}

/** Starts a server and returns its address. */
async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

module.exports = { Browser, listen };
