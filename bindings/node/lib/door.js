// What the doors have in common: a request comes in, and its response goes out when the session is stored.
'use strict';
const { SessionError } = require('./native.js');
const { Visit } = require('./visit.js');
const { hold } = require('./hold.js');

/** The method of a SessionManager that doors call. */
const ENTER = Symbol('enter');

const entered = new WeakSet();

/**
 * Loads the session of `req` into `holder.session`, and stores it before `res` is sent. `fail` gets the error if either fails. Returns
 * whether the handler may be called.
 */
async function enter(engine, { req, res, holder, extendIdleTimeout = true, fail }) {
  if (entered.has(req)) {
    engine.reportNested();
    return true;
  }
  entered.add(req);
  const extendsIdleTimeout = typeof extendIdleTimeout === 'function' ? Boolean(extendIdleTimeout(req)) : extendIdleTimeout;
  const visit = new Visit(engine, { req, res, holder, extendsIdleTimeout });
  try {
    await visit.begin();
  } catch (error) {
    fail(error);
    return false;
  }
  hold(res, () => visit.finish(), fail);
  return true;
}

/** Sends the response to a failure. What the handler still writes is dropped. `log` gets an error that is not one of a session. */
function answer(req, res, error, log = console.error) {
  const isKnown = error instanceof SessionError;
  if (!isKnown) {
    log(error);
  }
  const { status, headers, body } = isKnown ? error.response(req.headers.accept) : { status: 500, headers: {}, body: '' };
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) {
    res.setHeader(name, value);
  }
  res.end(body);
  const drop = (result) => (...args) => {
    if (typeof args.at(-1) === 'function') {
      process.nextTick(args.at(-1), error);
    }
    return result;
  };
  res.write = drop(true);
  res.end = drop(res);
}

module.exports = { ENTER, enter, answer };
