// Tests the pages in Python and Node.js as pages.mjs tests those of the services: node polyglot.mjs BASE_URL [FOLDER]
import { Device, launch } from './browser.mjs';
import { equal, summary } from './check.mjs';
import { pageCheck } from './page_check.mjs';

const [base, folder] = process.argv.slice(2);
if (!base) throw new Error('usage: node polyglot.mjs BASE_URL [FOLDER]');

const browser = await launch();
const device = await Device.open(browser, base);
const { page } = device;
const checkPage = pageCheck(page, folder);
const openAndCheck = async (name, path, expected = 200) => checkPage(name, await device.goto(path), expected);
const note = () => page.getByLabel('Note', { exact: true }).inputValue();

for (const program of ['python', 'node']) await openAndCheck(`${program}-empty`, `/${program}/`);
await device.goto('/user/register');
const user = { 'User ID': `clara-${Date.now().toString(36)}`, Name: 'Clara <b>홍길동</b>', Password: 'correct horse battery' };
equal('a user registers', await device.submit(user, 'Register'), 200);

for (const [program, other] of [['python', 'node'], ['node', 'python']]) {
  const text = `${program} <script>alert("note")</script> ${'x'.repeat(40)}`;
  await device.goto(`/${program}/`);
  await checkPage(program, await device.submit({ Note: text }, 'Save'), 200);
  equal(`${program}: a form leads back to the page`, device.path(), `/${program}/`);
  await page.getByRole('link', { name: other === 'node' ? 'Node.js' : 'Python' }).first().click();
  equal(`${other} shows the note of ${program}`, await note(), text);
  equal(`${other} shows the user`, (await page.locator('.bar strong').textContent()), user.Name);
  await device.goto(`/${program}/`);
  await page.evaluate(() => document.querySelector('input').removeAttribute('maxlength'));
  await checkPage(`${program}-invalid`, await device.submit({ Note: 'y'.repeat(101) }, 'Save'), 422);
  await checkPage(`${program}-cross-site`, await device.submitFromAnotherSite(`${base}/${program}/`), 403);
  await openAndCheck(`${program}-not-found`, `/${program}/nothing`, 404);
  await openAndCheck(`${program}-lecture-set-form`, `/${program}/redis_session_set`);
  await openAndCheck(`${program}-lecture-get`, `/${program}/redis_session_get`);
}
await device.goto('/node/');
equal('the user signs out', await device.press('Sign out'), 200);
await device.goto('/python/');
equal('the note is gone', await note(), '');
for (const program of ['python', 'node']) await openAndCheck(`${program}-lecture-set`, `/${program}/redis_session_set`);

equal('no page had an error', device.errors, []);
await browser.close();
process.exit(summary() ? 0 : 1);
