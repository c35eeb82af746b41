// Two browsers of one person, from registration to log-out: node journey.mjs BASE_URL
import { Visitor, launch } from './browser.mjs';
import { check, same, summary } from './check.mjs';

const base = process.argv[2];
if (!base) throw new Error('usage: node journey.mjs BASE_URL');

// Each run registers somebody new, so that a deployment can be asked again.
const id = `anna-${Date.now().toString(36)}`;
const name = 'Anna <script>alert("name")</script>';
const title = '<script>alert("title")</script> & buy milk';
const [old, fresh] = ['correct horse battery', 'staple horse battery'];

const browser = await launch();
const one = await Visitor.come(browser, base);
const two = await Visitor.come(browser, base);
const stranger = await Visitor.come(browser, base);

const signIn = (visitor, password) => visitor.send({ 'User ID': id, Password: password }, 'Sign in');
const devices = (visitor) => visitor.page.locator('main li').filter({ hasText: /on |device/i }).count();
const shows = async (what, visitor, text) => {
  const found = await visitor.text();
  check(what, found.includes(text), `${visitor.page.url()}\n${found}`);
};
const showsNot = async (what, visitor, ...texts) => {
  const found = await visitor.page.content();
  check(what, texts.every((text) => !found.includes(text)), `${visitor.page.url()}\n${await visitor.text()}`);
};

console.log('## registration');
await one.go('/user/register');
same('a wrong form is 422', await one.send({ 'User ID': 'A!', Name: name, Password: 'short' }, 'Register'), 422);
same('it keeps what was typed', await one.page.getByLabel('Name', { exact: true }).inputValue(), name);
same('but not the password', await one.page.getByLabel('Password', { exact: true }).inputValue(), '');
same('each wrong field says so', await one.page.locator('[aria-invalid=true]').count(), 2);
same('a right one is taken', await one.send({ 'User ID': id, Name: name, Password: old }, 'Register'), 200);
same('and leads to the sign-in', one.path(), '/user/login');
await one.go('/user/register');
same('the same id again is 409', await one.send({ 'User ID': id, Name: 'Other', Password: old }, 'Register'), 409);

console.log('## drafts, before anybody signed in');
await one.go('/task/');
same('without a session it is the page of drafts', await one.heading(), 'Draft tasks');
same('a draft is added', await one.send({ 'New task': title }, 'Add'), 200);
await one.send({ 'New task': 'water the plants' }, 'Add');
await shows('it is shown as it was typed', one, title);
same('an empty title is 422', await one.send({ 'New task': ' ' }, 'Add'), 422);

console.log('## sign-in, with the keyboard alone');
await one.go('/user/login?next=/task/');
same('a wrong password is 401', await signIn(one, fresh), 401);
same('and keeps the id', await one.page.getByLabel('User ID', { exact: true }).inputValue(), id);
await one.go('/user/login?next=/task/');
await one.page.getByLabel('User ID', { exact: true }).focus();
await one.page.keyboard.type(id);
await one.page.keyboard.press('Tab');
await one.page.keyboard.type(old);
await Promise.all([one.page.waitForURL((url) => url.pathname === '/task/'), one.page.keyboard.press('Enter')]);
same('the tasks are there', await one.heading(), 'Your tasks');
await shows('and say what became of the drafts', one, '2 drafts');
await shows('the first draft is a task', one, title);
await shows('the second is one, too', one, 'water the plants');
await shows('the name is shown as it was typed', one, name);
same('a task is ticked', await one.press('Done: water the plants'), 200);
await one.page.getByRole('button', { name: 'Not done: water the plants', exact: true }).waitFor();
same('a task is renamed', await one.rename('water the plants', 'water the roses'), 200);
await shows('its new title is shown', one, 'water the roses');
await showsNot('and its old title is gone', one, 'water the plants');

console.log('## a second device');
await two.go('/user/login');
same('the same person signs in elsewhere', await signIn(two, old), 200);
await shows('and finds the tasks', two, 'water the roses');
await one.go('/user/sessions');
same('the first device sees two', await devices(one), 2);
await two.go('/user/sessions');
same('so does the second', await devices(two), 2);
same('each is one of them', await two.page.getByText('this device', { exact: false }).count(), 1);
await stranger.go('/task/');
await showsNot('a stranger sees none of it', stranger, 'water the roses', 'Anna');

await one.go('/user/sessions');
same('the first signs the second out', await one.press(/^Sign out .+ on /), 200);
same('and is alone', await devices(one), 1);
await two.go('/task/');
same('the second is signed out at one service', await two.heading(), 'Draft tasks');
await two.go('/user/sessions');
same('and at the other', two.path(), '/user/login');

console.log('## a forged form');
same('signing out for somebody is refused', await one.forge(`${base}/user/logout`), 403);
await one.go('/task/');
same('and they are signed in still', await one.heading(), 'Your tasks');

console.log('## a new password');
same('the second signs in again', await signIn(two, old), 200);
await one.go('/user/password');
same('the wrong current password is 401', await one.send({ 'Current password': 'not the right one', 'New password': fresh }, 'Change password'), 401);
same('a common one is 422', await one.send({ 'Current password': old, 'New password': '123456789012' }, 'Change password'), 422);
same('the password is changed', await one.send({ 'Current password': old, 'New password': fresh }, 'Change password'), 200);
await one.go('/task/');
same('the first device stays signed in', await one.heading(), 'Your tasks');
await two.go('/task/');
same('the second does not', await two.heading(), 'Draft tasks');
await two.go('/user/login');
same('nor with the old password', await signIn(two, old), 401);
same('but with the new one', await signIn(two, fresh), 200);

console.log('## log-out');
await one.go('/user/sessions');
await one.go('/task/');
same('the first logs out', await one.press('Sign out'), 200);
for (let step = 1; step <= 4; step += 1) {
  await one.page.goBack().catch(() => null);
  await one.page.waitForLoadState();
  await showsNot(`${step} back: nothing private`, one, 'water the roses', 'Anna', 'buy milk');
}
await two.go('/task/');
same('the second device is still signed in', await two.heading(), 'Your tasks');
same('a task is deleted', await two.press('Delete: water the roses'), 200);
await showsNot('and is gone', two, 'water the roses');

for (const visitor of [one, two, stranger]) same('no page complained', visitor.faults, []);
await browser.close();
process.exit(summary() ? 0 : 1);
