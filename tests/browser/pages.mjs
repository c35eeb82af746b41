// Every page, at both widths and in both colour schemes: axe-core finds nothing, and nothing is wider than the window.
// node pages.mjs BASE_URL [FOLDER]: with a folder, a picture of each is left there.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Visitor, launch } from './browser.mjs';
import { check, same, summary } from './check.mjs';

const [base, folder] = process.argv.slice(2);
if (!base) throw new Error('usage: node pages.mjs BASE_URL [FOLDER]');
if (folder) mkdirSync(folder, { recursive: true });

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const id = `berta-${Date.now().toString(36)}`;
const password = 'correct horse battery';
const long = 'A title that is as long as somebody may well make it, with a word that will not break: '.padEnd(190, 'x');
const devices = {
  devices: 'Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0',
  'devices-long': 'x'.repeat(300),
};

const browser = await launch();
const visitor = await Visitor.come(browser, base);
const { page } = visitor;

// Looks at the page that is there now, in all four ways.
async function look(name, status, expected) {
  same(`${name}: ${expected}`, status, expected);
  for (const width of [360, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const way = `${name}, ${width} pixels, ${colorScheme}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      check(`${way}: fits`, wide <= width, `${wide} pixels wide`);
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'passes'] }));
      const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => node.html).join('\n')}`);
      check(`${way}: axe finds nothing`, violations.length === 0 && passes.length > 5, found.join('\n'));
      if (folder) await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
}

// A page that is there at its address.
async function at(name, path, expected = 200) {
  await look(name, await visitor.go(path), expected);
}

// A page that a form leads to.
async function after(name, fields, button, expected) {
  await look(name, await visitor.send(fields, button), expected);
}

await at('home', '/user/');
await at('register', '/user/register');
await after('register-wrong', { 'User ID': 'A!', Name: ' ', Password: 'short' }, 'Register', 422);
await visitor.go('/user/register');
await after('register-taken', { 'User ID': 'kky', Name: 'Berta', Password: password }, 'Register', 409);
await visitor.go('/user/register');
await after('login', { 'User ID': id, Name: 'Berta 홍길동', Password: password }, 'Register', 200);
await after('login-wrong', { 'User ID': id, Password: 'not the right one' }, 'Sign in', 401);
await at('drafts-none', '/task/');
await after('drafts', { 'New task': 'buy milk' }, 'Add', 200);
await visitor.go('/user/login?next=/task/');
await after('tasks-adopted', { 'User ID': id, Password: password }, 'Sign in', 200);
await visitor.send({ 'New task': 'water the plants' }, 'Add');
await visitor.send({ 'New task': 'read <b>the book</b>' }, 'Add');
await look('tasks', await visitor.press('Done: buy milk'), 200);
await after('tasks-long', { 'New task': long }, 'Add', 200);
await after('tasks-wrong', { 'New task': ' ' }, 'Add', 422);
await look('tasks-rename-wrong', await visitor.rename('buy milk', 'x'.repeat(201)), 422);
await at('home-signed-in', '/user/');
for (const [name, userAgent] of Object.entries(devices)) {
  const other = await Visitor.come(browser, base, { userAgent });
  await other.go('/user/login');
  await other.send({ 'User ID': id, Password: password }, 'Sign in');
  await at(name, '/user/sessions');
}
await at('password', '/user/password');
await after('password-wrong', { 'Current password': 'not the right one', 'New password': 'short' }, 'Change password', 422);
await look('forged', await visitor.forge(`${base}/user/logout`), 403);
await at('not-found', '/task/nothing', 404);
await at('lecture-set', '/user/redis_session_set');
await at('lecture-get', '/task/redis_session_get');
await at('proxy-not-found', '/nothing', 404);

// Last, as it takes a while until the proxy lets anybody in again.
await visitor.context.clearCookies();
await visitor.go('/user/login');
const headers = { origin: base };
for (let tries = 0; tries < 40; tries += 1) await visitor.context.request.post('/user/login', { headers, form: { id: 'x' } });
await after('too-many', { 'User ID': id, Password: password }, 'Sign in', 429);

same('no page complained', visitor.faults, []);
await browser.close();
process.exit(summary() ? 0 : 1);
