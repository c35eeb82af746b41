// Tests forms that are sent twice, by a double click or by Stop and another click: the user ends signed in, and no page says that
// something was refused. node twice.mjs BASE_URL, where a response takes longer than the time between two clicks
import { Device, launch } from './browser.mjs';
import { check, equal, summary } from './check.mjs';

const base = process.argv[2];
if (!base) throw new Error('usage: node twice.mjs BASE_URL');

const oldPassword = 'correct horse battery';
const newPassword = 'staple horse battery';
const draft = 'water the plants';
const browser = await launch();
const run = Date.now().toString(36);
let users = 0;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// The ways of sending a form twice. Each gets a device and a function that clicks without waiting for a page.
const ways = [
  ...[80, 100, 125, 150].map((pause) => [
    `two clicks ${pause} ms apart`,
    async (device, click) => {
      await click();
      await sleep(pause);
      await click();
    },
  ]),
  ...[60, 120, 240].map((pause) => [
    `Stop after ${pause} ms and another click`,
    async (device, click, sent) => {
      const tools = await device.context.newCDPSession(device.page);
      const form = device.page.url();
      await click();
      await sleep(pause);
      await tools.send('Page.stopLoading');
      // Stop takes effect a moment later, and may stop the next request, too: then the user clicks again
      while (sent() < 2 && device.page.url() === form) {
        await sleep(100);
        await click();
        await sleep(100);
      }
    },
  ]),
];

// Sends the form of this page twice. Returns the statuses of the pages, once one with this path is shown.
async function sendTwice(device, button, way, path) {
  const box = await device.page.getByRole('button', { name: button, exact: true }).boundingBox();
  const click = () => device.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  const statuses = [];
  let sent = 0;
  device.page.on('request', (request) => {
    if (request.isNavigationRequest() && request.method() === 'POST') sent += 1;
  });
  device.page.on('response', (response) => {
    if (response.request().isNavigationRequest()) statuses.push(response.status());
  });
  await way(device, click, () => sent);
  // not `waitForURL`, which also ends when the first request is aborted; a late click may have led elsewhere
  for (let tries = 0; tries < 200 && new URL(device.page.url()).pathname !== path; tries += 1) await sleep(50);
  return statuses;
}

async function newDevice(withDraft) {
  const device = await Device.open(browser, base);
  if (withDraft) {
    await device.goto('/task/');
    await device.submit({ 'New task': draft }, 'Add');
  }
  return device;
}

const newId = () => `twice-${run}-${(users += 1)}`;

async function register(device, id) {
  await device.goto('/user/register');
  await device.submit({ 'User ID': id, Name: 'Anna', Password: oldPassword }, 'Register');
}

// Opens the tasks. A busy browser handles the second click late, on the next page, whose navigation may abort this one.
async function openTasks(device) {
  for (;;) {
    try {
      return await device.goto('/task/');
    } catch (error) {
      if (!error.message.includes('ERR_ABORTED')) throw error;
    }
  }
}

async function checkEnd(name, device, statuses) {
  check(`${name}: no page says that something was refused`, statuses.every((status) => status < 400), `${statuses}\n${await device.text()}`);
  await openTasks(device);
  equal(`${name}: the user ends signed in`, await device.heading(), 'Your tasks');
  await device.page.waitForLoadState();
}

async function checkDraft(name, device) {
  const text = await device.text();
  check(`${name}: the draft is a task`, text.includes(draft), text);
}

for (const [way, send] of ways) {
  console.log(`## ${way}`);
  const first = await newDevice(false);
  const id = newId();
  await register(first, id);

  const second = await newDevice(true);
  await second.goto('/user/login?next=/task/');
  await second.fill({ 'User ID': id, Password: oldPassword });
  await checkEnd('sign-in', second, await sendTwice(second, 'Sign in', send, '/task/'));
  await checkDraft('sign-in', second);

  const third = await newDevice(true);
  await third.goto('/user/register');
  await third.fill({ 'User ID': newId(), Name: 'Berta', Password: oldPassword });
  await checkEnd('registration', third, await sendTwice(third, 'Register', send, '/task/'));
  await checkDraft('registration', third);

  await first.goto('/user/password');
  await first.fill({ 'Current password': oldPassword, 'New password': newPassword });
  await checkEnd('password change', first, await sendTwice(first, 'Change password', send, '/user/sessions'));
  await second.goto('/task/');
  equal('password change: the other device is signed out', await second.heading(), 'Draft tasks');
  await second.goto('/user/login');
  equal('password change: the new password is accepted', await second.submit({ 'User ID': id, Password: newPassword }, 'Sign in'), 200);

  for (const device of [first, second, third]) {
    equal('no page had an error', device.errors, []);
    await device.context.close();
  }
}
await browser.close();
process.exit(summary() ? 0 : 1);
