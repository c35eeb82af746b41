// A counter of visits on node:http, as a CommonJS module.
import http = require('node:http');
import { SessionManager } from 'shared-session';
import session = require('shared-session/express');

declare module 'shared-session' {
  interface SessionData {
    visits: number;
  }
}

const sessions = new SessionManager();
const listener = sessions.listener(async (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  await req.session.save();
  res.end(`visit ${req.session.visits}\n`);
});
http.createServer(listener).listen(8080, '127.0.0.1');

export const middleware: ReturnType<typeof session> = session.session(sessions);

// @ts-expect-error an unknown setting
new SessionManager({ secret: 'keyboard cat' });
