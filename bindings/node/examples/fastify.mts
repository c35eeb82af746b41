// A counter of visits in Fastify.
import createFastify from 'fastify';
import sharedSession from 'shared-session/fastify';

declare module 'shared-session' {
  interface SessionData {
    visits: number;
  }
}

const fastify = createFastify();
await fastify.register(sharedSession, { sessions: { store: 'redis://localhost' } });
fastify.get('/', async (request) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  return `visit ${request.session.visits}\n`;
});
await fastify.listen({ port: 8080 });
