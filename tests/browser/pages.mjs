// Tests every page at two widths and in two colour schemes: axe-core finds no violation, and the page fits into the window.
// node pages.mjs BASE_URL [FOLDER]: with FOLDER, saves a screenshot of each page there.
import { Device, launch } from './browser.mjs';
import { equal, summary } from './check.mjs';
import { pageCheck } from './page_check.mjs';

const [base, folder] = process.argv.slice(2);
if (!base) throw new Error('usage: node pages.mjs BASE_URL [FOLDER]');

const id = `berta-${Date.now().toString(36)}`;
const password = 'correct horse battery';
const longTitle = 'A long title that ends in a word that a browser cannot break: '.padEnd(190, 'x');
// the user agents of further devices, by the name of the page that lists them
const userAgents = {
  devices: 'Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0',
  'devices-long': 'x'.repeat(300),
};

const browser = await launch();
const device = await Device.open(browser, base);
const checkPage = pageCheck(device.page, folder);

async function openAndCheck(name, path, expected = 200) {
  await checkPage(name, await device.goto(path), expected);
}

async function submitAndCheck(name, fields, button, expected) {
  await checkPage(name, await device.submit(fields, button), expected);
}

await openAndCheck('home', '/user/');
await openAndCheck('register', '/user/register');
await submitAndCheck('register-invalid', { 'User ID': 'A!', Name: ' ', Password: 'short' }, 'Register', 422);
await device.goto('/user/register');
await submitAndCheck('register-taken', { 'User ID': 'kky', Name: 'Berta', Password: password }, 'Register', 409);
await device.goto('/user/register');
await submitAndCheck('tasks-empty', { 'User ID': id, Name: 'Berta 홍길동', Password: password }, 'Register', 200);
await checkPage('signed-out', await device.press('Sign out'), 200);
await openAndCheck('login', '/user/login');
await submitAndCheck('login-invalid', { 'User ID': id, Password: 'not the right one' }, 'Sign in', 401);
await openAndCheck('drafts-empty', '/task/');
await submitAndCheck('drafts', { 'New task': 'buy milk' }, 'Add', 200);
await device.goto('/user/login?next=/task/');
await submitAndCheck('tasks-moved', { 'User ID': id, Password: password }, 'Sign in', 200);
await device.submit({ 'New task': 'water the plants' }, 'Add');
await device.submit({ 'New task': 'read <b>the book</b>' }, 'Add');
await checkPage('tasks', await device.press('Done: buy milk'), 200);
await submitAndCheck('tasks-long', { 'New task': longTitle }, 'Add', 200);
await submitAndCheck('tasks-invalid', { 'New task': ' ' }, 'Add', 422);
await device.edit('water the plants');
await checkPage('tasks-edit', 200, 200);
await checkPage('tasks-rename-invalid', await device.rename('buy milk', 'x'.repeat(201)), 422);
await device.goto('/task/');
const cookies = await device.context.cookies();
await device.context.clearCookies();
await submitAndCheck('tasks-signed-out', { 'New task': 'call Anna' }, 'Add', 409);
await device.context.addCookies(cookies);
await openAndCheck('home-signed-in', '/user/');
for (const [name, userAgent] of Object.entries(userAgents)) {
  const other = await Device.open(browser, base, { userAgent });
  await other.goto('/user/login');
  await other.submit({ 'User ID': id, Password: password }, 'Sign in');
  await openAndCheck(name, '/user/sessions');
}
await openAndCheck('password', '/user/password');
await submitAndCheck('password-invalid', { 'Current password': 'not the right one', 'New password': 'short' }, 'Change password', 422);
await checkPage('cross-site', await device.submitFromAnotherSite(`${base}/user/logout`), 403);
await openAndCheck('not-found', '/task/nothing', 404);
await openAndCheck('lecture-set-form', '/user/redis_session_set');
await openAndCheck('delete', '/user/delete');
await submitAndCheck('delete-invalid', { Password: 'not the right one' }, 'Delete my account', 401);
await submitAndCheck('deleted', { Password: password }, 'Delete my account', 200);
await openAndCheck('lecture-set', '/user/redis_session_set');
await openAndCheck('lecture-get', '/task/redis_session_get');
await openAndCheck('home-lecture', '/user/');
await openAndCheck('proxy-not-found', '/nothing', 404);

// last, because nginx limits this client's sign-in attempts after it
await device.context.clearCookies();
await device.goto('/user/login');
const headers = { origin: base };
for (let count = 0; count < 40; count += 1) await device.context.request.post('/user/login', { headers, form: { id: 'x' } });
await submitAndCheck('too-many-requests', { 'User ID': id, Password: password }, 'Sign in', 429);

equal('no page had an error', device.errors, []);
await browser.close();
process.exit(summary() ? 0 : 1);
