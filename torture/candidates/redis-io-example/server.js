// The routes of the fault suite, with the session store that Redis explains for Node.js, in Express and in our own words:
// https://redis.io/docs/latest/develop/use-cases/session-store/nodejs/ (a session is a hash; numbers and lists are text in it)
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import express from 'express';
import { createClient } from 'redis';

const TTL = 3600;
const redis = await createClient({ url: process.env.REDIS_URL }).on('error', console.error).connect();

const isValid = (session) => ['created_at', 'last_accessed_at', 'session_ttl'].every((field) => field in session);
const touch = (key, commands) => commands.hSet(key, 'last_accessed_at', new Date().toISOString()).expire(key, TTL);
async function load(key) {
  if (!isValid(await redis.hGetAll(key))) return null;
  const [, , session] = await touch(key, redis.multi()).hGetAll(key).exec();
  return isValid(session) ? session : null;
}
async function create(req, res, fields) {
  const id = randomBytes(32).toString('base64url');
  const session = { ...fields, created_at: new Date().toISOString(), session_ttl: String(TTL) };
  req.key = `session:${id}`;
  await touch(req.key, redis.multi().hSet(req.key, session)).exec();
  res.cookie('sid', id, { httpOnly: true, sameSite: 'lax' });
}
async function change(req, res, command) {
  if (!req.session) await create(req, res, {});
  if (!isValid(await redis.hGetAll(req.key))) return res.status(401).send('session expired');
  await touch(req.key, command(redis.multi())).exec();
  res.end();
}
const set = (req, res, fields) => change(req, res, (commands) => commands.hSet(req.key, fields));
async function renew(req, res, changes) {
  const old = req.key;
  await create(req, res, { ...req.session, ...changes });
  if (old) await redis.del(old);
  res.end();
}

const app = express();
app.use(express.text({ type: () => true, limit: '4mb' }), async (req, res, next) => {
  const [, id] = /\bsid=([\w-]+)/.exec(req.headers.cookie) ?? [];
  req.key = id && `session:${id}`;
  req.session = id && (await load(req.key));
  next();
});
app.get('/session', (req, res) => {
  const names = req.query.names.split(',').filter((name) => req.session && name in req.session);
  const value = (name) => (['n', 'items'].includes(name) ? JSON.parse(req.session[name]) : req.session[name]);
  res.json(Object.fromEntries(names.map((name) => [name, value(name)])));
});
app.post('/session', (req, res) => renew(req, res, { user: req.body }));
app.post('/set', (req, res) => set(req, res, { [req.query.name]: req.body }));
app.post('/remove', (req, res) => change(req, res, (commands) => commands.hDel(req.key, req.query.name)));
app.post('/add', (req, res) => set(req, res, { items: JSON.stringify(JSON.parse(req.session?.items ?? '[]').concat(req.body)) }));
app.post('/count', (req, res) => change(req, res, (commands) => commands.hIncrBy(req.key, 'n', 1)));
app.post('/slow', (req, res) => setTimeout(Number(req.query.wait)).then(() => set(req, res, { [req.query.name]: req.body })));
app.post('/renew', (req, res) => renew(req, res, {}));
app.post('/logout', async (req, res) => res.clearCookie('sid').json(req.key ? await redis.del(req.key) : 0));
app.listen(process.env.PORT, '127.0.0.1');
