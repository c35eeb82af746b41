// The routes of the fault suite, with shared-session in Express.
import { setTimeout } from 'node:timers/promises';
import express from 'express';
import session from 'shared-session/express';

const app = express();
app.use(express.text({ type: () => true, limit: '4mb' }));
app.use(session());

app.get('/session', (req, res) => {
  const names = req.query.names.split(',').filter((name) => name in req.session);
  res.json(Object.fromEntries(names.map((name) => [name, req.session[name]])));
});
app.post('/session', async (req, res) => {
  await req.session.renew();
  req.session.user = req.body;
  res.end();
});
app.post('/set', (req, res) => {
  req.session[req.query.name] = req.body;
  res.end();
});
app.post('/remove', (req, res) => {
  delete req.session[req.query.name];
  res.end();
});
app.post('/add', (req, res) => {
  req.session.items ??= [];
  req.session.items.push(req.body);
  res.end();
});
app.post('/count', (req, res) => {
  req.session.n = (req.session.n ?? 0) + 1;
  res.end();
});
app.post('/slow', async (req, res) => {
  void req.session[req.query.name];
  await setTimeout(Number(req.query.wait));
  req.session[req.query.name] = req.body;
  res.end();
});
app.post('/renew', async (req, res) => {
  await req.session.renew();
  res.end();
});
app.post('/logout', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.end())));
app.listen(process.env.PORT, '127.0.0.1');
