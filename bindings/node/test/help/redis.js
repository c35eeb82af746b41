// A Redis of the test's own.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

class Redis {
  /** Starts a server with these options. With a `file`, it is a Sentinel with that configuration. */
  static async start(options = [], file) {
    const redis = new Redis();
    redis.port = await freePort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    const kind = file ? [file, '--sentinel'] : ['--save', ''];
    const own = ['--port', redis.port, '--bind', '127.0.0.1', '--loglevel', 'warning'];
    redis.process = spawn('redis-server', [...kind, ...own, ...options], { stdio: 'ignore' });
    while ((await redis.command('PING').catch(() => '')) !== '+PONG') {
      await new Promise((wake) => setTimeout(wake, 20));
    }
    return redis;
  }

  /** Sends one command, and returns the first line of its reply, or the text of a bulk reply. */
  async command(...words) {
    const socket = net.connect(this.port, '127.0.0.1');
    const bulk = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket.end(`*${words.length}\r\n${bulk.join('')}`);
    let reply = '';
    for await (const chunk of socket) {
      reply += chunk;
    }
    const [head, ...rest] = reply.split('\r\n');
    return head.startsWith('$') && head !== '$-1' ? rest.slice(0, -1).join('\r\n') : reply.trim();
  }

  /** Returns how many commands on records the server ran, also those in scripts. */
  async commands() {
    const stats = await this.command('INFO', 'commandstats');
    const counts = [...stats.matchAll(/^cmdstat_(?:eval|evalsha|get|getex|set):calls=(\d+)/gm)];
    return counts.reduce((sum, [, calls]) => sum + Number(calls), 0);
  }

  /** Returns how many commands `act` costs. */
  async costs(act) {
    const before = await this.commands();
    await act();
    return (await this.commands()) - before;
  }

  /** Returns the keys of the sessions. */
  async keys() {
    const reply = await this.command('KEYS', 'session:*');
    return reply.split('\r\n').filter((line) => line.startsWith('session:') && !line.startsWith('session:index:'));
  }

  async record() {
    const [key] = await this.keys();
    return key && this.command('GET', key);
  }

  async stop() {
    const ended = this.process.signalCode ?? once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }
}

module.exports = { Redis, freePort };
