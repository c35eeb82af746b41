// shared-session for Node.js: the sessions of an application, and the door for node:http.
'use strict';
const { Engine, SessionError, SessionUnavailable, SessionConflict, SessionTooLarge, settled, logTo } = require('./native.js');
const { Session } = require('./session.js');
const { Visit } = require('./visit.js');
const { ENTER, enter, answer } = require('./door.js');

/** Returns `SESSION_COOKIE_NAME` for `cookieName`. */
const variable = (option) => `SESSION_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;

/** The sessions of an application. All workers of a process with the same settings share one engine. */
class SessionManager {
  #engine;

  /** Takes the settings from `options`, or without any, from the variables `SESSION_*`. Throws an error that names the invalid one. */
  constructor(options) {
    const { log, ...settings } = options ?? {};
    const given = Object.entries(settings).filter(([, value]) => value !== undefined);
    const variables = options
      ? given.map(([name, value]) => [variable(name), String(value)])
      : Object.entries(process.env).filter(([name]) => name.startsWith('SESSION_'));
    if (log) {
      logTo(log);
    }
    this.#engine = new Engine(Object.fromEntries(variables), options !== undefined);
  }

  /** Wraps a listener of node:http, whose requests then have a `session`. */
  listener(handler, { extendIdleTimeout, onError = (error, req, res) => answer(req, res, error) } = {}) {
    return async (req, res) => {
      const fail = (error) => onError(error, req, res);
      if (await this[ENTER]({ req, res, holder: req, extendIdleTimeout, fail })) {
        return handler(req, res);
      }
    };
  }

  /** Loads the session of a request that has no response, such as the upgrade to a websocket. `save` stores what is changed. */
  async load(req) {
    const holder = {};
    await new Visit(this.#engine, { req, holder }).begin();
    return holder.session;
  }

  /** Returns the id of the user who was signed in when the request of this session came: the value of the principal field. */
  user(session) {
    return exchange(session)?.user ?? undefined;
  }

  /** Returns whether the user who was signed in when the request of this session came stays signed in. */
  remembered(session) {
    return exchange(session)?.remembered ?? false;
  }

  /** Lists a user's sessions: the longest-lasting first, and of two of one kind the newer first. */
  async list(user, { current, offset = 0, limit = 100 } = {}) {
    const page = await settled(this.#engine.list(String(user), exchange(current), offset, limit));
    const date = (time) => (time === undefined || time === null ? undefined : new Date(time));
    const sessions = page.sessions.map((info) => ({ ...info, created: date(info.created), lastUsed: date(info.lastUsed) }));
    return { sessions, next: page.next ?? undefined };
  }

  /** Revokes the session with this handle. Returns whether the user had it. */
  revoke(user, handle) {
    return settled(this.#engine.revoke(String(user), handle));
  }

  /** Revokes all sessions of a user. Returns their number. */
  revokeAll(user) {
    return settled(this.#engine.revokeAll(String(user), null));
  }

  /** Revokes all sessions of a user but this one. Returns their number. */
  revokeOthers(user, current) {
    return settled(this.#engine.revokeAll(String(user), exchange(current)));
  }

  /** Checks that the store replies. */
  ready() {
    return settled(this.#engine.ready());
  }

  /** Waits until everything that requests began to store is stored. Call it when the server is closed. */
  drain() {
    return this.#engine.drain();
  }

  /** For the doors. */
  [ENTER](visit) {
    return enter(this.#engine, visit);
  }
}

const exchange = (session) => (session ? Session.exchange(session) : null);

module.exports = { SessionManager, SessionError, SessionUnavailable, SessionConflict, SessionTooLarge };
