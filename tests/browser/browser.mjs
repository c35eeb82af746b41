// A real Chromium, and the visitors who use it: each has cookies of their own. What goes wrong in a page, goes wrong here.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function executable() {
  const found = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const path = found.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!path) throw new Error('chromium is needed: apt-get install chromium');
  return path;
}

export function launch() {
  // in a container there is no other sandbox to be had, and the pages are our own
  return chromium.launch({ executablePath: executable(), args: ['--no-sandbox'] });
}

// Somebody with a browser. `page` is where they are; every path is under `base`.
export class Visitor {
  static async come(browser, base, options = {}) {
    const context = await browser.newContext({ baseURL: base, ...options });
    const visitor = new Visitor(context, await context.newPage());
    visitor.page.setDefaultTimeout(10_000);
    return visitor;
  }

  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.faults = [];
    page.on('dialog', (dialog) => {
      this.faults.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('pageerror', (error) => this.faults.push(`a script failed: ${error}`));
    page.on('console', (message) => {
      // an answer of 401 or 422 is what some of these tests are about
      const expected = /^Failed to load resource: the server responded with a status of 4/;
      if (message.type() === 'error' && !expected.test(message.text())) this.faults.push(message.text());
    });
  }

  // Follows an address; returns the status that the page came with.
  async go(path) {
    return (await this.page.goto(path)).status();
  }

  // Types into the fields that have these labels.
  async type(fields) {
    for (const [label, text] of Object.entries(fields)) await this.page.getByLabel(label, { exact: true }).fill(text);
  }

  // Presses a button by its accessible name, and returns the status of the page that is shown then.
  async press(name, within = this.page) {
    const button = within.getByRole('button', { name, exact: typeof name === 'string' });
    const answered = this.page.waitForResponse(
      (response) => response.request().isNavigationRequest() && ![301, 302, 303].includes(response.status()),
    );
    await button.click();
    const status = (await answered).status();
    await this.page.waitForLoadState();
    return status;
  }

  async rename(task, title) {
    const item = this.page.getByRole('listitem').filter({ hasText: task });
    await item.getByText('Rename').click();
    await item.getByLabel('Title', { exact: true }).fill(title);
    return this.press('Save', item);
  }

  async send(fields, button) {
    await this.type(fields);
    return this.press(button);
  }

  // Sends a form from a page of another site, as somebody who was lured there does.
  async forge(address) {
    await this.page.goto(`data:text/html,<form method="post" action="${address}"><button>Win</button></form>`);
    return this.press('Win');
  }

  // What the page says, as its reader sees it.
  text() {
    return this.page.locator('body').innerText();
  }

  path() {
    return new URL(this.page.url()).pathname;
  }

  heading() {
    return this.page.getByRole('heading', { level: 1 }).innerText();
  }

  leave() {
    return this.context.close();
  }
}
