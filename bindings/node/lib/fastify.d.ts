import type { IncomingMessage } from 'node:http';
import type { FastifyPluginAsync } from 'fastify';
import type { Session, SessionManager, SessionOptions } from './index.js';

declare module 'fastify' {
  interface FastifyRequest {
    session: Session;
  }
}

interface FastifyOptions {
  /** A SessionManager, or the settings of one. Without it, the variables `SESSION_*` are. */
  sessions?: SessionManager | SessionOptions;
  /** Whether requests extend the idle timeout, as they do by default. Those of a page that polls should not. */
  extendIdleTimeout?: boolean | ((req: IncomingMessage) => boolean);
}

/** The plugin that loads `request.session`, and stores it before the response is sent. */
declare const sharedSession: FastifyPluginAsync<FastifyOptions> & { sharedSession: FastifyPluginAsync<FastifyOptions> };

export = sharedSession;
