// How smoothly the page moves: node benches/updates.mjs http://console [seconds]
// Counts, in headless Chromium, the live messages that came, the pictures in which a quote changed, and the pictures that took longer than
// they should; then the first paint of every page.
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const fromWeb = createRequire(new URL('../web/package.json', import.meta.url));
const { chromium } = fromWeb('playwright-core');
const [, , url, seconds = '15'] = process.argv;
const profile = mkdtempSync(path.join(tmpdir(), 'kt-updates-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  viewport: { width: 1680, height: 1050 },
});

/** Runs in the page: what happens within so many ms. */
function watch(ms) {
  return new Promise((resolve) => {
    const found = { messages: 0, snapshots: 0, pictures: 0, moved: 0, late: 0, longest: 0, tasks: 0 };
    const source = new EventSource(`/api/v1/live?watch=${globalThis.watched.join(',')}`);
    source.addEventListener('snapshot', () => (found.snapshots += 1) && (found.messages += 1));
    source.addEventListener('moves', () => (found.messages += 1));
    let changed = false;
    const watcher = new MutationObserver(() => {
      changed = true;
    });
    watcher.observe(document.querySelector('#book tbody'), { characterData: true, subtree: true, childList: true });
    new PerformanceObserver((list) => (found.tasks += list.getEntries().length)).observe({ type: 'longtask' });
    const begun = performance.now();
    let last = begun;
    const frame = (now) => {
      const took = now - last;
      last = now;
      found.pictures += 1;
      if (changed) found.moved += 1;
      changed = false;
      // A picture that came a whole refresh too late is one that was dropped.
      if (took > 1.5 * (1000 / 60)) found.late += Math.round(took / (1000 / 60)) - 1;
      found.longest = Math.max(found.longest, took);
      if (now - begun < ms) requestAnimationFrame(frame);
      else {
        source.close();
        watcher.disconnect();
        resolve({ ...found, seconds: (now - begun) / 1000 });
      }
    };
    requestAnimationFrame(frame);
  });
}

const page = await context.newPage();
await page.goto(url);
await page.locator('#book tbody tr').nth(5).waitFor({ timeout: 60_000 });
await page.waitForTimeout(5_000);
await page.evaluate(() => {
  globalThis.watched = [...document.querySelectorAll('#book tbody th')].map(
    (cell) => `${cell.querySelector('small').innerText}/${cell.querySelector('button').innerText}`,
  );
});
const found = await page.evaluate(watch, Number(seconds) * 1000);
const each = (count) => (count / found.seconds).toFixed(1);
console.log(`${each(found.messages)} live messages a second (${each(found.snapshots)} of them whole)`);
console.log(`${each(found.moved)} pictures a second in which a quote changed, of ${each(found.pictures)} drawn`);
console.log(`${found.late} pictures dropped in ${found.seconds.toFixed(1)} s, the longest took ${found.longest.toFixed(0)} ms, ${found.tasks} tasks over 50 ms`);
await page.close();
for (const name of ['', 'basis', 'funding', 'orders', 'quality', 'storage', 'backtests', 'pipeline', 'alerts']) {
  const times = [];
  for (let round = 0; round < 3; round += 1) {
    const fresh = await context.newPage();
    await fresh.goto(`${url}/${name}`);
    await fresh.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
    times.push(await fresh.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
    await fresh.close();
  }
  console.log(`first paint of /${name}: ${times.map((time) => time.toFixed(0)).join(', ')} ms`);
}
await context.close();
rmSync(profile, { recursive: true, force: true });
