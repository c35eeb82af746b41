// The door for Fastify.
'use strict';
const { SessionManager } = require('./index.js');
const { ENTER, answer } = require('./door.js');

/** The plugin that loads `request.session`, and stores it before the response is sent. */
async function sharedSession(fastify, { sessions, extendIdleTimeout }) {
  const manager = sessions instanceof SessionManager ? sessions : new SessionManager(sessions);
  fastify.decorateRequest('session', undefined);
  fastify.addHook('onRequest', async (request, reply) => {
    const { raw: req } = request;
    const { raw: res } = reply;
    const headers = reply.getHeaders();
    const fail = (error) => {
      for (const [name, value] of Object.entries(headers)) {
        res.setHeader(name, value);
      }
      answer(req, res, error, (error) => request.log.error(error));
    };
    if (!(await manager[ENTER]({ req, res, holder: request, extendIdleTimeout, fail }))) {
      reply.hijack();
    }
  });
  fastify.addHook('onClose', () => manager.drain());
}

// what the package fastify-plugin does: the hooks are those of the whole application
sharedSession[Symbol.for('skip-override')] = true;
sharedSession[Symbol.for('fastify.display-name')] = 'shared-session';

module.exports = sharedSession;
module.exports.sharedSession = sharedSession;
