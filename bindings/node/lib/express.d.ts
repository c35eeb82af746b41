import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Session, SessionManager, SessionOptions } from './index.js';

declare global {
  namespace Express {
    interface Request {
      session: Session;
    }
  }
}

type Next = (error?: unknown) => void;

interface ExpressOptions {
  /** Whether requests extend the idle timeout, as they do by default. Those of a page that polls should not. */
  extendIdleTimeout?: boolean | ((req: IncomingMessage) => boolean);
  /** Answers a request whose session could not be loaded or stored, or passes the error to `next`. Nothing was sent yet. */
  onError?: (error: unknown, req: IncomingMessage, res: ServerResponse, next: Next) => void;
}

/**
 * Returns the middleware that loads `req.session`, and stores it before the response is sent. `sessions` is a SessionManager, or the
 * settings of one. Without it, the variables `SESSION_*` are.
 */
declare function session(
  sessions?: SessionManager | SessionOptions,
  options?: ExpressOptions,
): (req: IncomingMessage, res: ServerResponse, next: Next) => void;

declare namespace session {
  export { session };
}

export = session;
