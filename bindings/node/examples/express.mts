// A sign-in, a cart, and a page of a user's devices, in Express with TypeScript.
import express from 'express';
import { SessionConflict, SessionManager } from 'shared-session';
import session from 'shared-session/express';

declare module 'shared-session' {
  interface SessionData {
    userid: string;
    cart: string[];
  }
}

const sessions = new SessionManager({ store: 'redis://localhost', ttl: '30m', log: (level, message) => console.log(level, message) });
const app = express();
app.use(
  session(sessions, {
    extendIdleTimeout: (req) => !req.url?.startsWith('/poll'),
    onError: (error, _req, _res, next) => next(error),
  }),
);

app.post('/sign-in', express.json(), async (req, res) => {
  await req.session.signIn(String(req.body.name), { remember: req.body.remember === true });
  res.redirect('/');
});

app.post('/cart/:item', (req, res) => {
  req.session.cart ??= [];
  req.session.cart.push(req.params.item);
  res.json(req.session.cart);
});

app.get('/devices', async (req, res) => {
  const user = sessions.user(req.session);
  const { sessions: devices } = user === undefined ? { sessions: [] } : await sessions.list(user, { current: req.session });
  res.json(devices.map(({ device, current, remembered, lastUsed }) => ({ device, current, remembered, lastUsed: lastUsed.toISOString() })));
});

app.post('/sign-out', (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.redirect('/')));
});

app.use((error: unknown, _req: express.Request, res: express.Response, next: express.NextFunction) => {
  if (error instanceof SessionConflict) {
    res.status(error.status).send(error.userMessage);
  } else {
    next(error);
  }
});

const server = app.listen(8080, '127.0.0.1');
process.once('SIGTERM', () => server.close(() => void sessions.drain()));
