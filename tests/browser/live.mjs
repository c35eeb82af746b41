// Tests the first page: a card of each program, one session. node live.mjs BASE_URL PROGRAM...
// PROGRAM...: the ids of the programs that run, such as user and task
import { Device, launch } from './browser.mjs';
import { check, equal, summary } from './check.mjs';

const [base, ...programs] = process.argv.slice(2);
if (programs.length === 0) throw new Error('usage: node live.mjs BASE_URL PROGRAM...');

const browser = await launch();
const device = await Device.open(browser, base);
const { page } = device;
const path = '/user/';
// the text of a program's card, which the page shows as a picture
const card = async (program) => (await device.context.request.get(`/${program}/session.svg`)).text();
const forEachCard = async (name, holds) => {
  for (const program of programs) {
    const text = await card(program);
    check(`${program}: ${name}`, holds(text), text);
  }
};

console.log('## without a session');
await device.goto(path);
for (const image of await page.locator('.program img').all()) {
  const [address, width] = await image.evaluate(async (img) => [img.getAttribute('src'), (await img.decode(), img.naturalWidth)]);
  check(`${address} is drawn`, width > 0, width);
}
await forEachCard('its card shows no session', (text) => text.includes('no session'));
equal('the browser has no cookie', await device.context.cookies(), []);

console.log('## each program writes');
for (const program of programs) {
  await device.fill({ Field: 'one', Value: `by <${program}>` });
  equal(`${program} writes, and leads back to the page`, await device.press(/ writes$/, page.locator(`.of-${program}`)), 200);
  equal('it leads back to the page', device.path(), path);
}
await forEachCard('its card shows all fields', (text) => programs.every((program) => text.includes(`>${program}.one<`)));
await device.fill({ Field: 'Upper', Value: 'x' });
await page.locator(`.of-${programs[0]} button`).click();
equal('the browser refuses an invalid name', await page.locator('#name').evaluate((input) => input.validity.valid), false);

console.log('## all write at once');
const rounds = 10;
const missing = (await page.locator('.program .at-once').count()) - programs.length;
for (let round = 1; round <= rounds; round += 1) {
  // the first rounds begin without a session
  if (round < 4) await device.context.clearCookies();
  await device.goto(path);
  const sent = `round ${round}`;
  await device.fill({ Field: 'all', Value: sent });
  await page.getByRole('button', { name: 'All write at once' }).click();
  await page.waitForURL(/wrote=all/);
  const message = await page.getByRole('status').innerText();
  const count = programs.length;
  equal(`round ${round}: the page counts the fields`, message, `${count} programs wrote at the same moment. ${count} of ${count} fields are in the session.`);
  for (const program of programs) {
    const text = await card(program);
    check(`round ${round}: the card of ${program} has all fields`, text.split(sent).length === count + 1, text);
  }
}

console.log('## all write, and the connection of the first one breaks');
const broken = await Device.open(browser, base);
await broken.goto(path);
await broken.page.route('**/note', (route) => route.abort(), { times: 1 });
await broken.fill({ Field: 'all', Value: 'x' });
await broken.page.getByRole('button', { name: 'All write at once' }).click();
await broken.page.waitForURL(/wrote=all/);
check('the page counts the fields', /fields are in the session/.test(await broken.page.getByRole('status').innerText()));

console.log('## a user');
await device.goto('/user/register');
const user = { 'User ID': `dora-${Date.now().toString(36)}`, Name: 'Dora', Password: 'correct horse battery' };
equal('a user registers', await device.submit(user, 'Register'), 200);
await forEachCard('its card shows the user', (text) => text.includes('Dora'));
await device.goto(path);
equal('the user signs out', await device.press('Sign out'), 200);
await forEachCard('its card is empty', (text) => text.includes('no session') && !text.includes('Dora'));

console.log('## a session without a user');
await device.press(/ writes$/, page.locator(`.of-${programs.at(-1)}`));
await forEachCard('its card shows the field', (text) => text.includes('.color<'));
equal('the session ends', await device.press('End the session'), 200);
await forEachCard('its card is empty', (text) => text.includes('no session'));

console.log('## without a script');
const plain = await Device.open(browser, base, { javaScriptEnabled: false });
await plain.goto(path);
equal('the button for all is hidden', await plain.page.locator('#all').isVisible(), false);
await plain.fill({ Field: 'plain', Value: 'x' });
equal('a program writes', await plain.press(/ writes$/, plain.page.locator(`.of-${programs.at(-1)}`)), 200);
const text = await (await plain.context.request.get(`/${programs[0]}/session.svg`)).text();
check('another program reads it', text.includes('.plain<'), text);

// a script of a page cannot tell that a program does not run before it has asked
equal('no page had an error', device.errors, Array(rounds * missing).fill('Failed to load resource: the server responded with a status of 502 (Bad Gateway)'));
equal('no page without a script had an error', plain.errors, []);
await browser.close();
process.exit(summary() ? 0 : 1);
