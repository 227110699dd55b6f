// The page in a real browser, against a running market on the real engines.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ARTIFACTS, AXE, startBrowser, startStage } from './stage.mjs';

const PANELS = [
  'candles',
  'book',
  'basis',
  'feeds',
  'scanner',
  'rates',
  'lag',
  'gaps',
  'quarantine',
  'services',
];

let stage;
let browser;

before(async () => {
  stage = await startStage();
  if (stage.url) browser = await startBrowser();
});

after(async () => {
  await browser?.stop();
  await stage?.stop?.();
});

/** A test with a fresh page, which fails on anything the browser complains about. */
function pageTest(name, body) {
  test(name, { timeout: 400_000 }, async (t) => {
    if (!browser) return t.skip(stage.reason);
    const page = await browser.context.newPage();
    await page.setViewportSize({ width: 1680, height: 1050 });
    await page.emulateMedia({ colorScheme: 'dark' });
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    // A machine that is too busy to answer in time is told on the page; it is no fault of it.
    const counts = (message) => message.type() === 'error' && !/status of 504/.test(message.text());
    page.on('console', (message) => counts(message) && complaints.push(message.text()));
    try {
      await body(page, complaints);
      assert.deepEqual(complaints, []);
    } finally {
      await page.close();
    }
  });
}

const open = async (page, query = '') => {
  await page.goto(stage.url + query, { timeout: PATIENCE_MS });
  await page
    .getByRole('row', { name: /BTC-USDT-USDT-PERP/ })
    .first()
    .waitFor({ timeout: PATIENCE_MS });
};

const screenshot = (page, name) =>
  page.screenshot({ path: path.join(ARTIFACTS, `console-${name}.png`), fullPage: true });

/** A shared machine may be slow for minutes: what is promised is that something happens, not how soon. */
const PATIENCE_MS = 120_000;

/** Waits until `read` gives something that fits. */
async function until(read, fits, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    assert.ok(Date.now() < end, `${what}: still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function seriousViolations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations
    .filter((violation) => ['serious', 'critical'].includes(violation.impact))
    .map(
      (violation) =>
        `${violation.id}: ${violation.nodes.map((node) => `${node.html} ${node.any[0]?.message ?? ''}`).join(' | ')}`,
    );
}

pageTest('every panel is there and numbers move', async (page) => {
  await open(page);
  for (const panel of PANELS) await page.locator(`#${panel}`).waitFor({ timeout: PATIENCE_MS });
  const total = () => page.getByRole('group', { name: 'Events in' }).locator('.tile-detail').innerText();
  const bid = () =>
    page.locator('#book tr', { hasText: 'BTC-USDT-SPOT' }).first().locator('.bid').innerText();
  const [events, price] = [await total(), await bid()];
  await until(total, (text) => text !== events, 'events do not move');
  await until(bid, (text) => text !== price, 'the best bid does not move');
  assert.match(await bid(), /^\d+\.\d+$/);
  assert.match(await page.getByRole('status', { name: 'Platform state' }).innerText(), /4 feeds live/);
});

pageTest('charts are drawn and say in words what they show', async (page) => {
  await open(page, '/?instrument=binance_usdm/BTC-USDT-USDT-PERP');
  const candles = page.locator('#candles figure');
  await until(
    () => candles.getAttribute('aria-label'),
    (text) => /^\d+ candles of 1 seconds/.test(text ?? ''),
    'candles',
  );
  const basis = page.locator('#basis figure');
  await until(
    () => basis.getAttribute('aria-label'),
    (text) => /basis points/.test(text ?? ''),
    'basis',
  );
  const painted = await candles.locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4)
      if (data[at + 3] > 200) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return colours.size;
  });
  assert.ok(painted > 5, `a painted chart, not ${painted} colours`);
  await screenshot(page, 'dark');
});

pageTest('a stopped feed says in words that it is stale, and recovers', async (page) => {
  await open(page);
  const row = page.locator('#feeds tr[data-venue=okx]');
  await until(
    () => row.innerText(),
    (text) => /live/.test(text),
    'okx is live at first',
  );
  stage.say('pause okx');
  await until(
    () => row.innerText(),
    (text) => /stale\s+\d/.test(text),
    'okx turns stale',
  );
  const state = page.getByRole('status', { name: 'Platform state' });
  await until(
    () => state.innerText(),
    (text) => /1 of 4 feeds stale/.test(text),
    'the header tells',
  );
  const quote = page.locator('#book tr', { hasText: 'okx' }).first();
  await until(
    () => quote.innerText(),
    (text) => /stale ([1-9]\d s|\d+ m)/.test(text),
    'its quotes are stale',
  );
  // Words and greying have clocks of their own.
  await until(
    async () => (await quote.getAttribute('class')) ?? '',
    (text) => /is-stale/.test(text),
    'its quotes are greyed',
  );
  assert.match(await page.locator('#feeds tr[data-venue=binance]').innerText(), /live/);
  await screenshot(page, 'stale');
  stage.say('resume');
  await until(
    () => row.innerText(),
    (text) => /live/.test(text),
    'okx is live again',
  );
});

pageTest('gaps and suspect values appear with cause and extent', async (page) => {
  await open(page);
  stage.say('trouble');
  await until(
    () => page.locator('#gaps').innerText(),
    (text) => /sequence[\s\S]*4\.2 s[\s\S]*412/.test(text),
    'the gap',
  );
  assert.match(await page.locator('#gaps').innerText(), /lasting[\s\S]*disconnect[\s\S]*unknown/);
  await until(
    () => page.locator('#quarantine').innerText(),
    (text) => /crossed book/.test(text),
    'the suspect value',
  );
});

pageTest('the keyboard alone reaches filter, rows, sorting and another instrument', async (page) => {
  await open(page, '/?instrument=okx/ETH-USDT-SPOT');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'scanner-filter');
  await page.keyboard.type('usdm perp');
  const rows = page.locator('#scanner tbody tr');
  await until(
    () => rows.count(),
    (count) => count === 4,
    'the filter',
  );
  const focused = () =>
    page.evaluate(() => document.activeElement?.closest('#scanner tbody tr')?.innerText ?? '');
  for (let press = 0; press < 12 && (await focused()) === ''; press += 1) await page.keyboard.press('Tab');
  const first = await focused();
  assert.match(first, /PERP/, 'Tab reaches the rows');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'the focus is visible');
  await page.keyboard.press('End');
  const last = await focused();
  assert.notEqual(last, first);
  const name = last.match(/\S+-PERP/)[0];
  await page.keyboard.press('Enter');
  await until(
    () => page.url(),
    (url) => url.includes(`instrument=binance_usdm/${name}`),
    'the address',
  );
  await until(
    () => page.locator('#candles select').inputValue(),
    (value) => value.endsWith(name),
    'the selector',
  );
  const apr = page.getByRole('columnheader', { name: /Funding APR/ });
  await apr.getByRole('button').focus();
  await page.keyboard.press('Enter');
  assert.equal(await apr.getAttribute('aria-sort'), 'descending');
  await page.keyboard.press('Enter');
  assert.equal(await apr.getAttribute('aria-sort'), 'ascending');
  await page.goBack();
  await until(
    () => page.locator('#candles select').inputValue(),
    (value) => value === 'okx/ETH-USDT-SPOT',
    'Back returns',
  );
});

pageTest(
  'the theme follows the system until a person chooses, and the address keeps the choice',
  async (page) => {
    await open(page);
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await until(theme, (name) => name === 'light', 'the system turns light');
    await page.getByRole('radio', { name: 'dark' }).press('Space');
    await until(theme, (name) => name === 'dark', 'dark is chosen');
    assert.match(page.url(), /theme=dark/);
    await page.reload();
    await until(theme, (name) => name === 'dark', 'the choice is kept');
  },
);

for (const [name, query, width, height] of [
  ['dark, wide', '/?theme=dark', 1680, 1050],
  ['light, wide', '/?theme=light', 1680, 1050],
  ['light, narrow', '/?theme=light', 390, 844],
  ['dark, narrow', '/?theme=dark', 390, 844],
]) {
  pageTest(`no serious accessibility violation: ${name}`, async (page) => {
    await page.setViewportSize({ width, height });
    await open(page, query);
    await page.waitForTimeout(1_500);
    assert.deepEqual(await seriousViolations(page), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    if (name !== 'dark, wide') await screenshot(page, name.replace(', ', '-'));
  });
}

pageTest('without its console the page says so', async (page, complaints) => {
  await open(page);
  await stage.stop();
  const state = page.getByRole('status', { name: 'Platform state' });
  await until(
    () => state.innerText(),
    (text) => /no live stream/.test(text),
    'the header tells',
  );
  await until(
    () => page.locator('#candles .problem').innerText(),
    (text) => /does not answer/.test(text),
    'the panel tells',
  );
  await until(
    () => page.locator('#feeds .panel-head').innerText(),
    (text) => /stale/.test(text),
    'the age tells',
  );
  // The browser reports each refused connection; that is what this test is about.
  assert.ok(
    complaints.every((text) => /ERR_|Failed to load/.test(text)),
    complaints.join('\n'),
  );
  complaints.length = 0;
});
