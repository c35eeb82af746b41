// Runs Chromium for the tests. A `Device` is a browser context with its own cookies and one page, and records the page's errors.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function executable() {
  const candidates = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const path = candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!path) throw new Error('missing: chromium (on Debian: apt-get install chromium)');
  return path;
}

export function launch() {
  // the sandbox does not work in containers, and the tests open only our own pages
  return chromium.launch({ executablePath: executable(), args: ['--no-sandbox'] });
}

export class Device {
  static async open(browser, base, options = {}) {
    const context = await browser.newContext({ baseURL: base, ...options });
    const device = new Device(context, await context.newPage());
    device.page.setDefaultTimeout(10_000);
    return device;
  }

  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.errors = [];
    page.on('dialog', (dialog) => {
      this.errors.push(`a dialog opened: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('pageerror', (error) => this.errors.push(`a script failed: ${error}`));
    page.on('console', (message) => {
      // some tests cause a response with a status such as 401 or 422
      const expected = /^Failed to load resource: the server responded with a status of 4/;
      if (message.type() === 'error' && !expected.test(message.text())) this.errors.push(message.text());
    });
  }

  // Opens a path. Returns the response's status.
  async goto(path) {
    return (await this.page.goto(path)).status();
  }

  // Fills the fields with these labels.
  async fill(fields) {
    for (const [label, text] of Object.entries(fields)) await this.page.getByLabel(label, { exact: true }).fill(text);
  }

  // Presses the button with this accessible name. Returns the status of the page that is shown next.
  async press(name, within = this.page) {
    const button = within.getByRole('button', { name, exact: typeof name === 'string' });
    const navigation = this.page.waitForResponse(
      (response) => response.request().isNavigationRequest() && ![301, 302, 303].includes(response.status()),
    );
    await button.click();
    const status = (await navigation).status();
    await this.page.waitForLoadState();
    return status;
  }

  // Opens the forms of a task. Returns its item of the list.
  async edit(task) {
    const item = this.page.locator('.task').filter({ hasText: task });
    await item.getByText('Edit').click();
    return item;
  }

  async rename(task, title) {
    const item = await this.edit(task);
    await item.getByLabel('Title', { exact: true }).fill(title);
    return this.press('Save', item);
  }

  async submit(fields, button) {
    await this.fill(fields);
    return this.press(button);
  }

  // Submits a form from a page of another site.
  async submitFromAnotherSite(address) {
    await this.page.goto(`data:text/html,<form method="post" action="${address}"><button>Win</button></form>`);
    return this.press('Win');
  }

  // Returns the visible text.
  text() {
    return this.page.locator('body').innerText();
  }

  path() {
    return new URL(this.page.url()).pathname;
  }

  heading() {
    return this.page.getByRole('heading', { level: 1 }).innerText();
  }
}
