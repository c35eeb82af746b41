// The pages that are measured, in Express.
import express from 'express';

const { CANDIDATE, SESSION_STORE } = process.env;
const app = express();
if (CANDIDATE === 'alternative') {
  const [{ RedisStore }, { default: session }, { createClient }] = await Promise.all(
    ['connect-redis', 'express-session', 'redis'].map((name) => import(name)),
  );
  const store = new RedisStore({ client: await createClient({ url: SESSION_STORE }).connect() });
  app.use(session({ store, resave: false, saveUninitialized: false, secret: 'not secret' }));
} else if (CANDIDATE === 'redis') {
  const { default: session } = await import('shared-session/express');
  app.use(session());
}

app.post('/new', (req, res) => {
  Object.assign(req.session, { userid: `user${req.query.user}`, username: '홍길동', count: 0 });
  res.send('');
});
app.get('/read', (req, res) => {
  const fields = req.session ?? { userid: 'user1', username: '홍길동' };
  if (!fields.userid) return res.sendStatus(500);
  res.send(`hello ${fields.username} (${fields.userid})\n`);
});
app.post('/change', (req, res) => {
  req.session.count += 1;
  res.send('');
});
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
