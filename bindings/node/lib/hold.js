// Holds a response back until its session is stored.
'use strict';

/**
 * Lets nothing of `res` be sent before the promise of `store` is fulfilled with headers to add. If it is rejected, what the handler
 * wrote is forgotten, the response is as it was before the handler, and `fail` gets the error and decides about it.
 */
function hold(res, store, fail) {
  const before = res.getHeaders();
  const sources = new Set();
  const calls = [];
  let state = 'open'; // then 'headed' by writeHead, 'held', 'ended', and at last 'done'

  const wrap = (name, method) => {
    const original = res[name];
    res[name] = (...args) => {
      const call = () => original.apply(res, args);
      return state === 'done' ? call() : method(call, args);
    };
  };
  const checkOpen = (name) => {
    if (state !== 'open') {
      throw Object.assign(new Error(`Cannot call ${name} after the headers are sent`), { code: 'ERR_HTTP_HEADERS_SENT' });
    }
  };
  for (const name of ['setHeader', 'setHeaders', 'appendHeader', 'removeHeader'].filter((name) => name in res)) {
    wrap(name, (call) => {
      checkOpen(name);
      return call();
    });
  }
  wrap('writeHead', (_, args) => {
    checkOpen('writeHead');
    setHead(res, ...args);
    state = 'headed'; // nothing is sent yet, so the session may still change
    return res;
  });
  for (const name of ['flushHeaders', 'write', 'end']) {
    wrap(name, (call, args) => {
      const isFirst = calls.push({ call, callback: args.at(-1) }) === 1;
      state = name === 'end' || state === 'ended' ? 'ended' : 'held';
      if (isFirst) {
        void settle();
      }
      return name === 'end' ? res : false; // a stream that pipes into the response waits for `drain`
    });
  }
  Object.defineProperty(res, 'headersSent', { get: () => state !== 'open', configurable: true });
  Object.defineProperty(res, 'writableEnded', { get: () => state === 'ended', configurable: true });
  const notePipe = (source) => sources.add(source);
  res.on('pipe', notePipe);

  async function settle() {
    const { statusCode } = res;
    const reason = res.stream ? undefined : res.statusMessage;
    try {
      const headers = await store();
      letGo();
      res.statusCode = statusCode;
      setReason(res, reason);
      for (const [name, value] of headers) {
        res.setHeader(name, value);
      }
      for (const { call } of calls) {
        call();
      }
      if (!res.writableEnded && !res.writableNeedDrain) {
        res.emit('drain');
      }
    } catch (error) {
      reset(error);
    }
  }

  function letGo() {
    state = 'done';
    res.off('pipe', notePipe);
    delete res.headersSent;
    delete res.writableEnded;
  }

  function reset(error) {
    letGo();
    for (const { callback } of calls) {
      if (typeof callback === 'function') {
        process.nextTick(callback, error);
      }
    }
    for (const source of sources) {
      source.unpipe(res);
      res.once('close', () => source.destroy?.());
    }
    if (res.headersSent) {
      res.destroy(error);
      return;
    }
    for (const name of res.getHeaderNames()) {
      res.removeHeader(name);
    }
    for (const [name, value] of Object.entries(before)) {
      res.setHeader(name, value);
    }
    res.statusCode = 200;
    setReason(res, undefined);
    fail(error);
  }
}

/** Does what `writeHead` does, except that the headers can still be read. */
function setHead(res, status, ...rest) {
  if (!(status >= 100 && status <= 999)) {
    throw Object.assign(new RangeError(`Invalid status code: ${status}`), { code: 'ERR_HTTP_INVALID_STATUS_CODE' });
  }
  const headers = rest.find((value) => typeof value === 'object' && value !== null) ?? {};
  if (Array.isArray(headers)) {
    const isFlat = !Array.isArray(headers[0]);
    const pairs = isFlat ? headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1]]] : [])) : headers;
    pairs.forEach(([name]) => res.removeHeader(name));
    pairs.forEach(([name, value]) => res.appendHeader(name, value));
  } else {
    for (const [name, value] of Object.entries(headers)) {
      res.setHeader(name, value);
    }
  }
  res.statusCode = status;
  if (typeof rest[0] === 'string') {
    setReason(res, rest[0]);
  }
}

/** Sets the text beside the status. HTTP/2 has none, and warns. */
function setReason(res, text) {
  if (!res.stream) {
    res.statusMessage = text;
  }
}

module.exports = { hold };
