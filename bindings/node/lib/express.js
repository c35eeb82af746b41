// The door for Express.
'use strict';
const { SessionManager, SessionError } = require('./index.js');
const { ENTER, answer } = require('./door.js');

/**
 * Returns the middleware that loads `req.session`, and stores it before the response is sent. `sessions` is a SessionManager, or the
 * settings of one.
 */
function session(sessions, { extendIdleTimeout, onError } = {}) {
  const manager = sessions instanceof SessionManager ? sessions : new SessionManager(sessions);
  return function session(req, res, next) {
    const fail = (error) => {
      if (onError) {
        onError(error, req, res, next);
      } else if (error instanceof SessionError) {
        answer(req, res, error);
      } else {
        next(error);
      }
    };
    const entered = manager[ENTER]({ req, res, holder: req, extendIdleTimeout, fail });
    entered.then((isEntered) => isEntered && next(), next);
  };
}

module.exports = session;
module.exports.session = session;
