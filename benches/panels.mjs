// Measures the page's panels over many rows: node benches/panels.mjs fill|measure http://warehouse http://console
// Fill an own platform once (a minute or two), then measure as often as you like. The rows stay.
import { readFileSync } from 'node:fs';

const [, , what, warehouse, console_] = process.argv;
const END = Math.floor(Date.now() / 86_400_000) * 86_400_000;
const KEY = 'venue=binance_usdm&instrument=P00-USDT-USDT-PERP';
const ROUNDS = 7;

async function fill() {
  const text = readFileSync(new URL('./panels.sql', import.meta.url), 'utf8');
  for (const statement of text.split('\n;\n')) {
    const begun = Date.now();
    for (let part = 0; part < 20; part += 1) {
      // One block an insert is not needed here; the memory is bounded by smaller ones.
      const settings = `param_end=${END}&param_part=${part}&max_insert_block_size=500000&max_partitions_per_insert_block=1000`;
      const answer = await fetch(`${warehouse}/?${settings}`, { method: 'POST', body: statement });
      if (!answer.ok) throw new Error(`${await answer.text()}\n${statement}`);
    }
    process.stdout.write(`${statement.match(/INSERT INTO (\S+)/)[1]}: ${(Date.now() - begun) / 1000} s\n`);
  }
}

const HOUR = 3_600;
const QUESTIONS = [
  ...[HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 28 * 24 * HOUR].flatMap((range) => [
    [`basis_series, ${range / HOUR} h`, `panels/basis_series?${KEY}&range_s=${range}&to_ms=${END}`],
    [`basis_histogram, ${range / HOUR} h`, `panels/basis_histogram?${KEY}&range_s=${range}&to_ms=${END}`],
  ]),
  ['basis_series as known, 1 h', `panels/basis_series?${KEY}&range_s=${HOUR}&to_ms=${END}&known_ms=${END - 60_000}`],
  ['basis_series as known, 6 h', `panels/basis_series?${KEY}&range_s=${6 * HOUR}&to_ms=${END}&known_ms=${END - 60_000}`],
  ['basis_scanner', `panels/basis_scanner?range_s=${HOUR}&to_ms=${END}`],
  ['funding_heat', `panels/funding_heat?range_s=${HOUR}&to_ms=${END}`],
  ['funding_series, 28 d', `panels/funding_series?${KEY}&range_s=${28 * 24 * HOUR}&to_ms=${END}`],
  ['funding_carry, 28 d', `panels/funding_carry?${KEY}&range_s=${28 * 24 * HOUR}&to_ms=${END}`],
  ['book_depth', `panels/book_depth?${KEY}&range_s=${HOUR}&to_ms=${END}`],
  ['orders_blotter, 24 h', `panels/orders_blotter?range_s=${24 * HOUR}&to_ms=${END}`],
  ['coverage_calendar, 30 d', `panels/coverage_calendar?range_s=${30 * 24 * HOUR}&to_ms=${END}`],
  ['pipeline_rows, 1 h', `panels/pipeline_rows?range_s=${HOUR}&to_ms=${END}`],
  ['pipeline_rows, 24 h', `panels/pipeline_rows?range_s=${24 * HOUR}&to_ms=${END}`],
  ['storage_tables', `panels/storage_tables?to_ms=${END}`],
  ['storage_tiers', `panels/storage_tiers?to_ms=${END}`],
  ['gap_ledger', `panels/gap_ledger?to_ms=${END}`],
  ['newest range', `panels/basis_series?${KEY}&range_s=${HOUR}`],
  ['candles', `candles?${KEY}&limit=300&to_ms=${END}`],
  ['basis (overview)', `basis?${KEY}&limit=900&to_ms=${END}`],
];

async function measure() {
  const counted = await fetch(`${warehouse}/`, {
    method: 'POST',
    body: `SELECT concat(database, '.', table), sum(rows) FROM system.parts WHERE active AND rows > 100000 AND database IN ('landing', 'marts', 'ops') GROUP BY 1 ORDER BY 1`,
  });
  process.stdout.write(`${await counted.text()}\n| panel | median ms | slowest ms | rows |\n|---|---|---|---|\n`);
  for (const [name, path] of QUESTIONS) {
    const times = [];
    let rows = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const begun = performance.now();
      const answer = await fetch(`${console_}/api/v1/${path}`);
      const text = await answer.text();
      times.push(performance.now() - begun);
      if (!answer.ok) throw new Error(`${name}: ${answer.status}: ${text}`);
      const body = JSON.parse(text);
      rows = body.answer?.rows ?? body.open_ms?.length ?? body.at_ms?.length;
    }
    times.sort((left, right) => left - right);
    process.stdout.write(`| ${name} | ${times[ROUNDS >> 1].toFixed(0)} | ${times.at(-1).toFixed(0)} | ${rows} |\n`);
  }
}

if (what === 'fill') await fill();
else if (what === 'measure') await measure();
else throw new Error('say fill or measure, the warehouse and the console');
