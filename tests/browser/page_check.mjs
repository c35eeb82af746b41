// Checks a page at two widths and in two colour schemes.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { check, equal } from './check.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// Returns the function that checks the current page, and that it came with the expected status. It saves screenshots in `folder`, if given.
export function pageCheck(page, folder) {
  if (folder) mkdirSync(folder, { recursive: true });
  return async (name, status, expected) => {
    equal(`${name}: status ${expected}`, status, expected);
    for (const width of [360, 1440]) {
      await page.setViewportSize({ width, height: 800 });
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        const variant = `${name}, ${width} pixels, ${colorScheme}`;
        const pageWidth = await page.evaluate(() => document.documentElement.scrollWidth);
        check(`${variant}: fits into the window`, pageWidth <= width, `${pageWidth} pixels wide`);
        await page.evaluate(axe);
        const { violations, passes } = await page.evaluate(() => {
          const rules = { 'target-size': { enabled: true } }; // 24 pixels; off by default
          return window.axe.run(document, { resultTypes: ['violations', 'passes'], rules });
        });
        const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => node.html).join('\n')}`);
        check(`${variant}: no accessibility violation`, violations.length === 0 && passes.length > 5, found.join('\n'));
        if (folder) await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
    }
  };
}
