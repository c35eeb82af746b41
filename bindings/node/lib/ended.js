// Waits for the end of a session.
'use strict';

/**
 * Returns a promise that is fulfilled when the session of `exchange` has ended, and rejected when `signal` is aborted. When `res` is
 * closed, it is neither. It does not keep the process alive.
 */
function ended(exchange, res, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    if (res && isGone(res)) {
      return;
    }
    const stop = () => {
      wait.stop();
      res?.off('close', stop);
      signal?.removeEventListener('abort', abort);
    };
    const abort = () => {
      stop();
      reject(signal.reason);
    };
    // the engine holds the function, which holds `wait`; it stops waiting for one that is collected
    const wait = exchange.ended(() => {
      stop();
      resolve();
    });
    res?.once('close', stop);
    signal?.addEventListener('abort', abort);
  });
}

/** Returns whether nothing can be sent any more. The last is that of HTTP/2. */
function isGone(res) {
  return Boolean(res.destroyed || res.socket?.destroyed || res.stream?.destroyed);
}

module.exports = { ended, isGone };
