// `req.session`, as users of express-session and Passport know it.
'use strict';
const { inspect } = require('node:util');
const { Fields } = require('./fields.js');

const readOnly = (name) => {
  throw new TypeError(`session.${name} cannot be set: the settings decide about ids and cookies`);
};

/** The cookie as express-session shows it. */
class Cookie {
  httpOnly = true;

  constructor(idleEnd) {
    this.expires = idleEnd === undefined ? null : new Date(idleEnd);
    Object.freeze(this);
  }

  get maxAge() {
    return this.expires && Math.max(0, this.expires.getTime() - Date.now());
  }

  set maxAge(_) {
    readOnly('cookie.maxAge');
  }

  get originalMaxAge() {
    return this.maxAge;
  }
}

/** Calls `callback` as Node.js does, if there is one, or else returns the promise. */
function answer(session, promise, callback) {
  if (callback === undefined) {
    return promise;
  }
  // outside of the promise, so that what the callback throws is not lost in it
  promise.then(
    () => setImmediate(callback),
    (error) => setImmediate(callback, error),
  );
  return session;
}

/** The session of a request: its fields are the properties. */
class Session {
  #visit;
  #fields = new Fields();

  constructor(visit, entries = []) {
    this.#visit = visit;
    this.#fields.fill(this, entries, RESERVED);
  }

  /** The session's public name. It does not open the session, and stays the same when the session is renewed. */
  get id() {
    return this.#visit.handle;
  }

  set id(_) {
    readOnly('id');
  }

  get cookie() {
    return new Cookie(this.#visit.exchange?.idleEnd ?? undefined);
  }

  set cookie(_) {
    readOnly('cookie');
  }

  /** Signs a user in: gives the session a new id, and sets the field that holds the user's id. */
  signIn(user, { remember = false } = {}, callback) {
    return answer(this, this.#visit.signIn(this, user, Boolean(remember)), callback);
  }

  /** Gives the session a new id and keeps its fields. */
  renew(callback) {
    return answer(this, this.#visit.renew(), callback);
  }

  /** Ends the session and begins an empty one, which is the new `req.session`. */
  regenerate(callback) {
    return answer(this, this.#visit.regenerate(), callback);
  }

  /** Ends the session. `req.session` is gone. */
  destroy(callback) {
    return answer(this, this.#visit.destroy(), callback);
  }

  /** Stores the changes now, instead of with the response. */
  save(callback) {
    return answer(this, this.#visit.save(), callback);
  }

  /** Loads the fields again, and forgets what was changed since. */
  reload(callback) {
    return answer(this, this.#visit.reload(), callback);
  }

  /** Waits until the session has ended, as it was when the request came. */
  ended({ signal } = {}) {
    return this.#visit.ended(signal);
  }

  /** Does nothing: every request extends the session when it comes. */
  touch() {
    return this;
  }

  /** Does nothing, as `touch`. */
  resetMaxAge() {
    return this;
  }

  /** Shows the fields to `console.log`. */
  [inspect.custom]() {
    return { ...this };
  }

  static {
    Session.refill = (session, entries) => session.#fields.fill(session, entries, RESERVED);
    Session.changes = (session) => session.#fields.changes(session, RESERVED);
    Session.stored = (session, changes) => session.#fields.stored(session, changes);
    Session.exchange = (session) => session.#visit.exchange;
  }
}

/** The names of the members. Fields of other programs with these names are kept, but not shown. */
const RESERVED = new Set(Object.getOwnPropertyNames(Session.prototype));

module.exports = { Session };
