// Redis behind a Sentinel, as a cluster, and with TLS.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Redis, freePort } = require('./redis.js');

/** Waits until a server's reply to a command has this part. */
async function until(redis, command, part) {
  while (!(await redis.command(...command)).includes(part)) {
    await sleep(20);
  }
}

/** Runs `use` with a new folder and a function that starts a server, and then stops all servers. */
async function withServers(use) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shared-session-'));
  const servers = [];
  const start = async (options, file) => {
    const server = await Redis.start(options, file);
    servers.push(server);
    return server;
  };
  try {
    await use(start, folder);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    fs.rmSync(folder, { recursive: true });
  }
}

/** Runs `use` with the URL of a Sentinel, and a function that kills the primary when the replica has its data. */
function withSentinel(use) {
  return withServers(async (start, folder) => {
    const primary = await start(['--dir', folder, '--repl-diskless-sync-delay', '0']);
    const replica = await start(['--dir', folder, '--replicaof', `127.0.0.1 ${primary.port}`]);
    const monitored = [`monitor main 127.0.0.1 ${primary.port} 1`, 'down-after-milliseconds main 500'];
    const configuration = path.join(folder, 'sentinel.conf'); // a Sentinel writes there what it learns
    fs.writeFileSync(configuration, monitored.map((line) => `sentinel ${line}\n`).join(''));
    const sentinel = await start([], configuration);
    await sentinel.command('SENTINEL', 'DEBUG', 'INFO-PERIOD', '200');
    await until(sentinel, ['SENTINEL', 'REPLICAS', 'main'], String(replica.port));
    const killPrimary = async () => {
      execFileSync('redis-cli', ['-p', primary.port], { input: 'SET written-last 1\nWAIT 1 0\n' });
      await primary.stop();
    };
    await use(`redis-sentinel://127.0.0.1:${sentinel.port}/main`, killPrimary);
  });
}

/** Runs `use` with the URL of a cluster of three primaries. */
function withCluster(use) {
  return withServers(async (start, folder) => {
    const nodes = [];
    for (const number of [1, 2, 3]) {
      const options = ['--cluster-enabled', 'yes', '--cluster-config-file', `${number}.conf`, '--dir', folder];
      nodes.push(await start([...options, '--cluster-port', await freePort()]));
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes']);
    await Promise.all(nodes.map((node) => until(node, ['CLUSTER', 'INFO'], 'cluster_state:ok')));
    await use(`redis-cluster://${addresses[0]}`);
  });
}

/** Runs `use` with the URL of a server with TLS, and the file with the certificate of its CA. */
function withTls(use) {
  return withServers(async (start, folder) => {
    const file = (name) => path.join(folder, name);
    // without the extensions of the system's configuration
    fs.writeFileSync(file('openssl.cnf'), '[req]\ndistinguished_name=name\n[name]\n');
    const newKey = 'req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
    const make = (options) => execFileSync('openssl', `${newKey} ${options}`.split(' '), { cwd: folder, stdio: 'ignore' });
    make('-subj /CN=ca -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.crt');
    make('-subj /CN=server -addext subjectAltName=IP:127.0.0.1 -CA ca.crt -CAkey ca.key -keyout s.key -out s.crt');
    const port = await freePort();
    const certificates = ['--tls-cert-file', file('s.crt'), '--tls-key-file', file('s.key'), '--tls-ca-cert-file', file('ca.crt')];
    await start(['--tls-port', port, '--tls-auth-clients', 'no', ...certificates]);
    await use(`rediss://127.0.0.1:${port}`, file('ca.crt'));
  });
}

module.exports = { withSentinel, withCluster, withTls };
