import type { IncomingMessage, ServerResponse } from 'node:http';

/** The fields of your sessions. Extend it: `declare module 'shared-session' { interface SessionData { userid?: string } }`. */
export interface SessionData {}

type Callback = (error?: unknown) => void;

export interface SignInOptions {
  /** Whether the user stays signed in, as a box on a sign-in page asks. */
  remember?: boolean;
}

/** The session of a request. Its fields are the properties. */
export interface Session extends Partial<SessionData> {
  /** The session's public name. It does not open the session, and stays the same when the session is renewed. */
  readonly id: string | undefined;
  /** What the settings say of the cookie. It cannot be changed. */
  readonly cookie: {
    /** When the session ends if it is not used again. */
    readonly expires: Date | null;
    /** The same as milliseconds from now. */
    readonly maxAge: number | null;
    readonly originalMaxAge: number | null;
    readonly httpOnly: boolean;
  };
  /**
   * Signs a user in. Call it after the password is verified, for example. It gives the session a new id, keeps its fields, and sets
   * the field that `SESSION_PRINCIPAL_FIELD` names to `user`. With `remember`, the user stays signed in: for `SESSION_REMEMBER_TTL`
   * without a request, also after the browser was closed. Each sign-in decides anew. Throws a TypeError if `user` is neither a
   * non-empty text nor an integer of at most 53 bits.
   */
  signIn(user: string | number, options?: SignInOptions): Promise<void>;
  signIn(user: string | number, options: SignInOptions | undefined, callback: Callback): this;
  /** Gives the session a new id and keeps its fields. `signIn` does so, too. */
  renew(): Promise<void>;
  renew(callback: Callback): this;
  /** Ends the session and begins an empty one, which is the new `req.session`. */
  regenerate(): Promise<void>;
  regenerate(callback: Callback): this;
  /** Ends the session. `req.session` is gone. */
  destroy(): Promise<void>;
  destroy(callback: Callback): this;
  /** Stores the changes now, instead of with the response. */
  save(): Promise<void>;
  save(callback: Callback): this;
  /** Loads the fields again, and forgets what was changed since. */
  reload(): Promise<void>;
  reload(callback: Callback): this;
  /**
   * Returns a promise that is fulfilled when the session that the request came with has ended: it was destroyed, revoked or expired,
   * or another user has signed in. It is for event streams and websockets, which would otherwise go on as the old user. The waiting
   * stops when the response is closed. When `signal` is aborted, it stops, too, and the promise is rejected with the signal's reason.
   * It extends no idle timeout, and keeps no process alive. Without a session, the promise is never fulfilled.
   */
  ended(options?: { signal?: AbortSignal }): Promise<void>;
  /** Does nothing: every request extends the session when it comes. */
  touch(): this;
  /** Does nothing, as `touch`. */
  resetMaxAge(): this;
}

/** The settings, each named as its variable: `cookieName` is `SESSION_COOKIE_NAME`. */
export interface SessionOptions {
  /** `redis://host:6379/0`, `redis-sentinel://…`, `redis-cluster://…`, the same with `rediss`, or `memory:`. */
  store?: string;
  storePasswordFile?: string;
  storeSentinelPasswordFile?: string;
  storeCaFile?: string;
  storeCertFile?: string;
  storeKeyFile?: string;
  storeReplicas?: number;
  /** How long a request waits for the store, such as `500ms`. */
  storeTimeout?: string;
  format?: 'json' | 'php' | 'php_serialize';
  /** How long a session lasts without a request, such as `1h`. */
  ttl?: string;
  /** How long a session lasts at most, such as `24h`. */
  lifetime?: string;
  /** How long the session of a user who stays signed in lasts without a request, such as `30d`. */
  rememberTtl?: string;
  /** How long the session of such a user lasts at most, such as `90d`. */
  rememberLifetime?: string;
  cookieName?: string;
  cookieDomain?: string;
  cookiePath?: string;
  cookieSameSite?: 'strict' | 'lax' | 'none';
  cookieSecure?: 'auto' | 'always' | 'never';
  cookieLifetime?: 'browser' | 'session';
  keyPrefix?: string;
  /** The field that holds the user's id, by which a user's sessions are found. */
  principalField?: string;
  /** How large a session may be, such as `256KiB`. */
  maxSize?: string | number;
  /** How many sessions a user may have. A sign-in beyond it ends the oldest ones. 0: any number. */
  maxPerUser?: number;
  /** How long the process may go without news from Redis, such as `2s`, while it shows sessions that it has read before. */
  cache?: string;
  /** Gets the engine's log lines of this process: warnings and errors, and changes of the store's state. The console does otherwise. */
  log?: (level: 'error' | 'warn' | 'info', message: string) => void;
}

export interface ListenerOptions {
  /** Whether requests extend the idle timeout, as they do by default. Those of a page that polls should not. */
  extendIdleTimeout?: boolean | ((req: IncomingMessage) => boolean);
  /** Answers a request whose session could not be loaded or stored. Nothing was sent yet. */
  onError?: (error: unknown, req: IncomingMessage, res: ServerResponse) => void;
}

/** What a user may see of one of their sessions. */
export interface SessionInfo {
  /** Names the session, to revoke it. */
  handle: string;
  created: Date | undefined;
  lastUsed: Date;
  /** The `User-Agent` that signed in: at most 200 characters that a client chose. */
  device?: string;
  /** Whether the user stays signed in. */
  remembered: boolean;
  /** Whether it is the session of the request that asks. */
  current: boolean;
}

/** The sessions of an application. All workers of a process with the same settings share one engine. */
export class SessionManager {
  /** Takes the settings from `options`, or without any, from the variables `SESSION_*`. Throws an error that names the invalid one. */
  constructor(options?: SessionOptions);
  /** Wraps a listener of node:http, whose requests then have a `session`. */
  listener(
    handler: (req: IncomingMessage & { session: Session }, res: ServerResponse) => unknown,
    options?: ListenerOptions,
  ): (req: IncomingMessage, res: ServerResponse) => Promise<void>;
  /** Loads the session of a request that has no response, such as the upgrade to a websocket. `save` stores what is changed. */
  load(req: Pick<IncomingMessage, 'method' | 'headers'>): Promise<Session>;
  /** Returns the id of the user who was signed in when the request of this session came: the value of the principal field. */
  user(session: Session): string | undefined;
  /** Returns whether the user who was signed in when the request of this session came stays signed in. */
  remembered(session: Session): boolean;
  /** Lists a user's sessions: the longest-lasting first, and of two of one kind the newer first. `next` is the offset of the next page. */
  list(
    user: string | number,
    options?: { current?: Session; offset?: number; limit?: number },
  ): Promise<{ sessions: SessionInfo[]; next: number | undefined }>;
  /** Revokes the session with this handle. Returns whether the user had it. */
  revoke(user: string | number, handle: string): Promise<boolean>;
  /** Revokes all sessions of a user. Returns their number. */
  revokeAll(user: string | number): Promise<number>;
  /** Revokes all sessions of a user but this one. Returns their number. */
  revokeOthers(user: string | number, current: Session): Promise<number>;
  /** Checks that the store replies. */
  ready(): Promise<void>;
  /** Waits until everything that requests began to store is stored. Call it when the server is closed. */
  drain(): Promise<void>;
}

/** A session that could not be loaded or stored. Its text is for logs; `userMessage` is for the user. */
export class SessionError extends Error {
  readonly status: number;
  readonly statusCode: number;
  /** The name of the failure, the same in every language, such as `session_full`. */
  readonly code: string;
  /** After how many seconds the request may succeed. */
  readonly retryAfter: number | null;
  readonly userMessage: string;
  /** Logs the failure and returns the response for a client with this `Accept` header. */
  response(accept?: string): { status: number; headers: Record<string, string>; body: string };
}
/** 503: the store is unreachable, refuses, or is too slow. Nobody was signed out. */
export class SessionUnavailable extends SessionError {}
/** 409: the session ended or was renewed while the request was in flight. */
export class SessionConflict extends SessionError {}
/** 413: the change would make the session larger than `SESSION_MAX_SIZE`. */
export class SessionTooLarge extends SessionError {}
