// The engine: calls into Rust, and its failures as errors.
'use strict';
const { engine } = require('./engine.js');

/** A request that could not load or store its session. Its text is for logs; `userMessage` is for the user. */
class SessionError extends Error {
  #failure;

  constructor(failure) {
    super(failure.message);
    this.#failure = failure;
    this.status = failure.status;
    this.code = failure.code;
    this.retryAfter = failure.retryAfter;
    this.userMessage = failure.userMessage;
  }

  get name() {
    return this.constructor.name;
  }

  /** Express and http-errors read the status here. */
  get statusCode() {
    return this.status;
  }

  /** Logs the failure and returns the response for a client with this `Accept` header. */
  response(accept) {
    const { status, headers, body } = this.#failure.response(accept);
    return { status, headers: Object.fromEntries(headers), body };
  }
}

/** 503: the store is unreachable, refuses, or is too slow. Nobody was signed out. */
class SessionUnavailable extends SessionError {}
/** 409: the session ended or was renewed while the request was in flight. */
class SessionConflict extends SessionError {}
/** 413: the change would make the session larger than `SESSION_MAX_SIZE`. */
class SessionTooLarge extends SessionError {}

const CLASSES = { 409: SessionConflict, 413: SessionTooLarge, 503: SessionUnavailable };

/** Waits for a call, and throws its failure. */
async function settled(call) {
  const result = await call;
  if (result instanceof engine.Failure) {
    throw new (CLASSES[result.status] ?? SessionError)(result);
  }
  return result;
}

const toConsole = (level, message) => (level === 'error' ? console.error : console.warn)(`shared-session: ${message}`);
let log = toConsole;
engine.listenToLog((level, message) => {
  if (log === toConsole && level === 'info') {
    return;
  }
  try {
    log(level, message);
  } catch (error) {
    console.error(error); // an application's log must not stop it
  }
});

/** Sets where the engine's log lines of this process go. */
function logTo(listener) {
  log = listener;
}

module.exports = { Engine: engine.Engine, SessionError, SessionUnavailable, SessionConflict, SessionTooLarge, settled, logTo };
