// The routes of the fault suite, with shared-session in Fastify.
import { setTimeout } from 'node:timers/promises';
import createFastify from 'fastify';
import sharedSession from 'shared-session/fastify';

const fastify = createFastify({ bodyLimit: 4 * 1024 * 1024 });
fastify.removeAllContentTypeParsers();
fastify.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => done(null, body));
await fastify.register(sharedSession);

fastify.get('/session', async ({ query, session }) => {
  const names = query.names.split(',').filter((name) => name in session);
  return Object.fromEntries(names.map((name) => [name, session[name]]));
});
fastify.post('/session', async ({ body, session }) => {
  await session.renew();
  session.user = body ?? '';
  return '';
});
fastify.post('/set', async ({ query, body, session }) => {
  session[query.name] = body ?? '';
  return '';
});
fastify.post('/remove', async ({ query, session }) => {
  delete session[query.name];
  return '';
});
fastify.post('/add', async ({ body, session }) => {
  session.items ??= [];
  session.items.push(body ?? '');
  return '';
});
fastify.post('/count', async ({ session }) => {
  session.n = (session.n ?? 0) + 1;
  return '';
});
fastify.post('/slow', async ({ query, body, session }) => {
  void session[query.name];
  await setTimeout(Number(query.wait));
  session[query.name] = body ?? '';
  return '';
});
fastify.post('/renew', async ({ session }) => {
  await session.renew();
  return '';
});
fastify.post('/logout', async ({ session }) => {
  await session.destroy();
  return '';
});
await fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
