// A request's way through its session: from the cookie to the headers of the response.
'use strict';
const { ended, isGone } = require('./ended.js');
const { settled } = require('./native.js');
const { Session } = require('./session.js');

/** A request and its session. What it stores is stored one after the other. */
class Visit {
  exchange;
  #engine;
  #request;
  #userAgent;
  #holder;
  #session;
  #wish = 'keep';
  /** Whether the user whom the request signs in stays signed in. */
  #remember = false;
  /** Whether the response has begun, so that it cannot tell of later changes. */
  #isClosed = false;
  /** Why a change could not be stored. No later one is. */
  #failure;
  /** The headers that the changes stored so far give the response. */
  #headers = new Map();
  #queue = Promise.resolve();
  /** The response, or nothing if the request has none. */
  #res;

  /** `holder` gets the session as its property `session`. Without `res`, no new id can reach the browser. */
  constructor(engine, { req, res, holder, extendsIdleTimeout = true }) {
    const { cookie, forwarded, 'x-forwarded-proto': forwardedProto, 'user-agent': userAgent } = req.headers;
    const isEncrypted = Boolean(req.socket?.encrypted);
    this.#engine = engine;
    this.#request = { method: req.method, cookie, forwarded, forwardedProto, isEncrypted, extendsIdleTimeout, hadSession: false };
    this.#userAgent = userAgent;
    this.#holder = holder;
    this.#res = res;
  }

  /** The session's public name, unless it ends with this request. */
  get handle() {
    return this.#wish === 'destroy' ? undefined : (this.exchange?.handle ?? undefined);
  }

  /** Loads the session. Throws a SessionError. */
  async begin() {
    await this.#load();
    this.#show(new Session(this, this.exchange.fields()));
  }

  async #load() {
    this.exchange = await settled(this.#engine.begin(this.#request));
    this.#request.hadSession = this.exchange.handle !== null;
  }

  #show(session) {
    this.#session = this.#holder.session = session;
  }

  async renew() {
    this.#renew();
  }

  #renew() {
    this.#checkOpen();
    this.#checkResponse();
    if (this.#wish === 'keep') {
      this.#wish = 'renew';
    }
  }

  /** Signs a user in, before it returns. */
  async signIn(session, user, remember) {
    if (session !== this.#holder.session) {
      throw new Error('this session was ended or replaced: sign in to req.session');
    }
    const field = this.#principalField(user);
    this.#renew();
    session[field] = user;
    this.#remember = remember;
  }

  /** Returns the name of the field that holds the user's id. Throws a TypeError if `user` is invalid. */
  #principalField(user) {
    try {
      return this.exchange.checkUser(['string', 'number'].includes(typeof user) ? user : null);
    } catch (error) {
      throw new TypeError(error.message);
    }
  }

  async regenerate() {
    this.#checkOpen();
    this.#checkResponse();
    this.#wish = 'destroy';
    this.#remember = false;
    this.#show(new Session(this));
  }

  async destroy() {
    this.#checkOpen();
    this.#holder.session = undefined;
    return this.#res ? undefined : this.save();
  }

  /** Stores the changes now. A renewal is not undone any more if the client is gone when the response begins. */
  async save() {
    this.#checkOpen();
    return this.#next(async () => {
      const outcome = await this.#store(false);
      if (outcome) {
        const pair = this.#keep(outcome.headers())?.split(';')[0];
        this.#request.cookie = pair ?? this.#request.cookie;
        this.#request.hadSession = pair ? !pair.endsWith('=') : this.#request.hadSession;
        await this.#failing(this.#load());
      }
    });
  }

  async reload() {
    this.#checkOpen();
    return this.#next(async () => {
      await this.#load();
      Session.refill(this.#session, this.exchange.fields());
    });
  }

  /** Waits for the end of the session that was loaded last. */
  ended(signal) {
    return ended(this.exchange, this.#res, signal);
  }

  /** Stores the session for the response, which begins when the promise is fulfilled. Returns the headers to add. */
  async finish() {
    this.#checkOpen();
    this.#isClosed = true;
    return this.#next(async () => {
      const res = this.#res;
      const outcome = await this.#store(true);
      if (isGone(res)) {
        outcome.discard();
        return [];
      }
      const text = (name) => res.getHeader(name)?.toString();
      this.#keep(outcome.headers(text('vary'), text('cache-control')));
      const cookies = [res.getHeader('set-cookie') ?? []].flat();
      const added = (name, value) => (name === 'set-cookie' && cookies.length > 0 ? [...cookies, value] : value);
      return [...this.#headers].map(([name, value]) => [name, added(name, value)]);
    });
  }

  /** Stores the changes. Returns the outcome, which only the last time is there in any case. */
  async #store(isLast) {
    if (this.#failure) {
      throw this.#failure;
    }
    const { session } = this.#holder;
    if (session && session !== this.#session) {
      throw new TypeError('the session was replaced by another object: set its properties instead');
    }
    const changes = session ? Session.changes(session) : new Map();
    const wish = session ? this.#wish : 'destroy';
    if (!isLast && wish === 'keep' && changes.size === 0) {
      return undefined;
    }
    if (changes.size > 0 && !this.#request.hadSession) {
      this.#checkResponse();
    }
    const call = this.exchange.finish(wish, [...changes.keys()], [...changes.values()], this.#userAgent, this.#remember);
    this.#wish = 'keep';
    this.#remember = false;
    if (session) {
      Session.stored(session, changes);
    }
    return this.#failing(settled(call));
  }

  async #failing(call) {
    try {
      return await call;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Keeps headers for the response. Returns the cookie among them. */
  #keep(headers) {
    for (const [name, value] of headers) {
      this.#headers.set(name, value);
    }
    return headers.find(([name]) => name === 'set-cookie')?.[1];
  }

  #checkOpen() {
    if (this.#isClosed) {
      throw new Error('the session was stored with the response, which has begun: change it earlier');
    }
  }

  #checkResponse() {
    if (!this.#res) {
      throw new Error('no response can bring the browser a new session');
    }
  }

  async #next(work) {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }
}

module.exports = { Visit };
