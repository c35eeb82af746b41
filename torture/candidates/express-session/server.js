// The routes of the fault suite, with express-session and connect-redis.
import { setTimeout } from 'node:timers/promises';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createClient, createSentinel } from 'redis';

const url = process.env.REDIS_URL;
const [, nodes, name] = url.match(/^redis-sentinel:\/\/(.*)\/(.*)$/) ?? [];
const node = (address) => ({ host: address.split(':')[0], port: Number(address.split(':')[1]) });
const client = name ? createSentinel({ name, sentinelRootNodes: nodes.split(',').map(node) }) : createClient({ url });
client.on('error', console.error);
client.connect().catch(console.error);

const app = express();
app.use(express.text({ type: () => true, limit: '4mb' }));
const store = new RedisStore({ client });
app.use(session({ store, resave: false, saveUninitialized: false, secret: 'keyboard cat' }));

function renew(req, res, next, changes) {
  const { cookie, ...fields } = req.session;
  req.session.regenerate((error) => {
    if (error) return next(error);
    Object.assign(req.session, fields, changes);
    req.session.save((error) => (error ? next(error) : res.end()));
  });
}

app.get('/session', (req, res) => {
  const names = req.query.names.split(',').filter((name) => name in req.session);
  res.json(Object.fromEntries(names.map((name) => [name, req.session[name]])));
});
app.post('/session', (req, res, next) => renew(req, res, next, { user: req.body }));
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
app.post('/renew', (req, res, next) => renew(req, res, next, {}));
app.post('/logout', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.end())));
app.listen(process.env.PORT, '127.0.0.1');
