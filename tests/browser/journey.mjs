// Tests two devices of one user, from registration to sign-out: node journey.mjs BASE_URL
import { Device, launch } from './browser.mjs';
import { check, equal, summary } from './check.mjs';

const base = process.argv[2];
if (!base) throw new Error('usage: node journey.mjs BASE_URL');

// a new user for each run, so that the script can run again on the same deployment
const id = `anna-${Date.now().toString(36)}`;
const name = 'Anna <script>alert("name")</script>';
const title = '<script>alert("title")</script> & buy milk';
const oldPassword = 'correct horse battery';
const newPassword = 'staple horse battery';

const browser = await launch();
const first = await Device.open(browser, base);
const second = await Device.open(browser, base);
const stranger = await Device.open(browser, base);

const signIn = (device, password) => device.submit({ 'User ID': id, Password: password }, 'Sign in');
const countDevices = (device) => device.page.locator('main li').filter({ hasText: /on |device/i }).count();
const shows = async (checkName, device, text) => {
  const body = await device.text();
  check(checkName, body.includes(text), `${device.page.url()}\n${body}`);
};
const hides = async (checkName, device, ...texts) => {
  const html = await device.page.content();
  check(checkName, texts.every((text) => !html.includes(text)), `${device.page.url()}\n${await device.text()}`);
};

console.log('## registration');
await first.goto('/user/register');
equal('an invalid form gets 422', await first.submit({ 'User ID': 'A!', Name: name, Password: 'short' }, 'Register'), 422);
equal('the form keeps the name', await first.page.getByLabel('Name', { exact: true }).inputValue(), name);
equal('the form does not keep the password', await first.page.getByLabel('Password', { exact: true }).inputValue(), '');
equal('each invalid field is marked', await first.page.locator('[aria-invalid=true]').count(), 2);
equal('a valid form is accepted', await first.submit({ 'User ID': id, Name: name, Password: oldPassword }, 'Register'), 200);
equal('it redirects to the tasks', first.path(), '/task/');
equal('the user is signed in', await first.heading(), 'Your tasks');
await first.press('Sign out');
await first.goto('/user/register');
equal('a taken user id gets 409', await first.submit({ 'User ID': id, Name: 'Other', Password: oldPassword }, 'Register'), 409);

console.log('## drafts of a signed-out user');
await first.goto('/task/');
equal('a signed-out user sees drafts', await first.heading(), 'Draft tasks');
equal('a draft is added', await first.submit({ 'New task': title }, 'Add'), 200);
await first.submit({ 'New task': 'water the plants' }, 'Add');
await shows('the title is shown as typed', first, title);
equal('an empty title gets 422', await first.submit({ 'New task': ' ' }, 'Add'), 422);

console.log('## sign-in with the keyboard');
await first.goto('/user/login?next=/task/');
equal('a wrong password gets 401', await signIn(first, newPassword), 401);
equal('the form keeps the user id', await first.page.getByLabel('User ID', { exact: true }).inputValue(), id);
await first.goto('/user/login?next=/task/');
await first.page.getByLabel('User ID', { exact: true }).focus();
await first.page.keyboard.type(id);
await first.page.keyboard.press('Tab');
await first.page.keyboard.type(oldPassword);
await Promise.all([first.page.waitForURL((url) => url.pathname === '/task/'), first.page.keyboard.press('Enter')]);
equal('sign-in redirects to the tasks', await first.heading(), 'Your tasks');
await shows('a message reports the moved drafts', first, '2 drafts');
await shows('the first draft is a task', first, title);
await shows('the second draft is a task', first, 'water the plants');
await shows('the name is shown as typed', first, name);
equal('a task is completed', await first.press('Done: water the plants'), 200);
await first.page.getByRole('button', { name: 'Not done: water the plants', exact: true }).waitFor();
equal('a task is renamed', await first.rename('water the plants', 'water the roses'), 200);
await shows('the new title is shown', first, 'water the roses');
await hides('the old title is not shown', first, 'water the plants');

console.log('## a second device');
await second.goto('/user/login');
await second.page.getByLabel('Stay signed in on this device').check();
equal('the user signs in on a second device', await signIn(second, oldPassword), 200);
await shows('the second device shows the tasks', second, 'water the roses');
await first.goto('/user/sessions');
equal('the first device lists two devices', await countDevices(first), 2);
await shows('the first device shows that the second one stays signed in', first, 'stays signed in');
const kept = (await second.context.cookies()).find(({ name }) => name.endsWith('sid'));
equal('the second device keeps its cookie', kept.expires > Date.now() / 1000 + 89 * 24 * 60 * 60, true);
await second.goto('/user/sessions');
equal('the second device lists two devices', await countDevices(second), 2);
equal('one of them is marked as this device', await second.page.getByText('this device', { exact: false }).count(), 1);
await stranger.goto('/task/');
await hides('a signed-out device shows neither the tasks nor the name', stranger, 'water the roses', 'Anna');

await first.goto('/user/sessions');
equal('the first device signs out the second', await first.press(/^Sign out .+ on /), 200);
equal('the first device lists one device', await countDevices(first), 1);
await second.goto('/task/');
equal('the second device is signed out at task-service', await second.heading(), 'Draft tasks');
await second.goto('/user/sessions');
equal('the second device is signed out at user-service', second.path(), '/user/login');

console.log('## a form of another site');
equal('the form is rejected', await first.submitFromAnotherSite(`${base}/user/logout`), 403);
await first.goto('/task/');
equal('the user is still signed in', await first.heading(), 'Your tasks');

console.log('## password change');
const changePassword = (current, password) =>
  first.submit({ 'Current password': current, 'New password': password }, 'Change password');
equal('the second device signs in again', await signIn(second, oldPassword), 200);
await first.goto('/user/password');
equal('a wrong current password gets 401', await changePassword('not the right one', newPassword), 401);
equal('a common new password gets 422', await changePassword(oldPassword, '123456789012'), 422);
equal('the password is changed', await changePassword(oldPassword, newPassword), 200);
await first.goto('/task/');
equal('the first device stays signed in', await first.heading(), 'Your tasks');
await second.goto('/task/');
equal('the second device is signed out', await second.heading(), 'Draft tasks');
await second.goto('/user/login');
equal('the old password is rejected', await signIn(second, oldPassword), 401);
equal('the new password is accepted', await signIn(second, newPassword), 200);

console.log('## sign-out in another tab');
await first.goto('/task/');
const tab = new Device(first.context, await first.context.newPage());
await tab.goto('/user/');
equal('the other tab signs out', await tab.press('Sign out'), 200);
await shows('a message says so', tab, 'You are signed out.');
equal('a form of the first tab changes nothing', await first.submit({ 'New task': 'read a book' }, 'Add'), 409);
equal('its page says why', await first.heading(), 'You are signed out');
equal('it keeps what was typed', await first.page.getByLabel('New task', { exact: true }).inputValue(), 'read a book');
equal('it leads to the sign-in', await first.press('Sign in and add it'), 200);
equal('the user signs in again', await signIn(first, newPassword), 200);
await shows('the task is added', first, 'read a book');

console.log('## sign-out');
await first.goto('/user/sessions');
await first.goto('/task/');
equal('the first device signs out', await first.press('Sign out'), 200);
for (let count = 1; count <= 4; count += 1) {
  await first.page.goBack().catch(() => null);
  await first.page.waitForLoadState();
  await hides(`the back button shows nothing private (${count})`, first, 'water the roses', 'Anna', 'buy milk');
}
await second.goto('/task/');
equal('the second device is still signed in', await second.heading(), 'Your tasks');
equal('the button that deletes a task is hidden', await second.page.getByRole('button', { name: /^Delete/ }).count(), 0);
await second.edit('water the roses');
equal('a task is deleted', await second.press('Delete: water the roses'), 200);
await hides('the deleted task is not shown', second, 'water the roses');

console.log('## both services show the session');
const panel = async (path, service) => {
  await second.goto(path);
  const section = second.page.getByRole('region', { name: `Your session, as ${service} sees it` });
  return [await section.locator('table').innerText(), await section.locator('dl').innerText()];
};
const [fields, times] = await panel('/user/', 'user-service');
equal('task-service shows the fields that user-service shows', (await panel('/task/', 'task-service'))[0], fields);
check('the fields have their values', fields.includes(`"${id}"`), fields);
check('the times are shown', ['Created', 'id renewed', 'Last used', 'Ends if unused', 'Ends in any case', 'bytes'].every((text) => times.includes(text)), times);
const { value: cookie } = (await second.context.cookies()).find((found) => found.name.endsWith('sid'));
await hides('no page shows the id', second, cookie.slice(0, 20), cookie.slice(20));

console.log('## deletion of the account');
await second.goto('/user/delete');
equal('a wrong password gets 401', await second.submit({ Password: 'not the right one' }, 'Delete my account'), 401);
equal('the account is deleted', await second.submit({ Password: newPassword }, 'Delete my account'), 200);
equal('the page says so', await second.heading(), 'Your account was deleted');
await second.goto('/user/login');
equal('the user cannot sign in any more', await signIn(second, newPassword), 401);

for (const device of [first, second, stranger, tab]) equal('no page had an error', device.errors, []);
await browser.close();
process.exit(summary() ? 0 : 1);
