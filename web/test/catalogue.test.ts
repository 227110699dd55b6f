// Every panel of the catalogue, drawn by the real ECharts from rows as the warehouse gives them, and from none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as echarts from 'echarts';
import { CATALOGUE } from '../panels/catalogue.js';
import type { Columns } from '../panels/columns.js';
import { DARK, LIGHT } from '../panels/theme.js';

const START = Date.UTC(2026, 0, 2, 3, 0, 0);
const times = Array.from({ length: 40 }, (_, row) => START + row * 5_000);
const wave = times.map((_, row) => (row === 7 ? null : Math.sin(row / 4) * 3));

const ROWS: Record<string, Columns> = {
  basis_series: {
    at_ms: times,
    basis_bps: wave,
    mean_bps: wave.map(() => 0.5),
    deviation_bps: wave.map((_, row) => (row < 20 ? null : 1.2)),
    seconds: wave.map(() => 5),
    z: wave.map((value, row) => (row < 20 ? null : value)),
  },
  basis_histogram: {
    bin_bps: [-2, -1, 0, 1, 2],
    seconds: [3, 30, 90, 40, 5],
    width_bps: [1, 1, 1, 1, 1],
    current_bps: [0.4, 0.4, 0.4, 0.4, 0.4],
    percentile: [0.61, 0.61, 0.61, 0.61, 0.61],
  },
  basis_term: {
    venue: ['okx', 'okx', 'binance_coinm'],
    instrument: ['BTC-USD-BTC-20260327-FUT', 'BTC-USD-BTC-20260626-FUT', 'BTC-USD-BTC-20260327-FUT'],
    days: [84.2, 175.2, 84.2],
    annualised: [0.071, 0.064, 0.075],
    recv_ms: [START, START + 500, START],
  },
  book_depth: {
    venue: ['okx', 'okx', 'okx', 'okx', 'okx'],
    instrument: [...Array(3).fill('BTC-USDT-USDT-PERP'), ...Array(2).fill('BTC-USDT-SPOT')],
    side: ['bid', 'bid', 'bid', 'ask', 'ask'],
    within_bps: [1, 10, 100, 1, 10],
    value: [12_000, 450_000, null, 0, 90_500],
  },
  funding_heat: {
    venue: ['binance_usdm', 'okx', 'okx', 'bybit'],
    instrument: ['BTC-USDT-USDT-PERP', 'BTC-USDT-USDT-PERP', 'ETH-USDT-USDT-PERP', '1000SHIB-USDT-USDT-PERP'],
    asset: ['BTC', 'BTC', 'ETH', 'SHIB'],
    apr: [0.1095, 0.08, null, -0.31],
    refused: ['', '', 'interval unknown', ''],
    recv_ms: [START, START, START, START],
  },
  funding_series: {
    at_ms: times,
    predicted_apr: times.map((_, row) => 0.1 + row / 1000),
    settled_apr: times.map((_, row) => (row === 20 ? 0.12 : null)),
  },
  funding_carry: {
    at_ms: [START, START + 28_800_000, START + 57_600_000],
    cash: [6.4, -1.2, 5.1],
    carried: [6.4, 5.2, 10.3],
    basis_of_rate: ['settled', 'settled', 'last prediction'],
    currency: ['USDT', 'USDT', 'USDT'],
  },
  coverage_calendar: {
    venue: ['okx', 'okx', 'bybit'],
    day: ['2026-01-01', '2026-01-02', '2026-01-02'],
    coverage: [1, 0.42, 0.98],
    gaps: [0, 3, 0],
    lost: [0, 0, 2],
  },
  pipeline_rows: {
    at_ms: [START, START, START + 5_000],
    kind: ['trade', 'quote', 'quote'],
    rows_per_second: [40, 120, 118],
  },
  storage_tables: {
    database: ['landing', 'landing', 'marts'],
    table: ['quote', 'quote', 'candle_1s'],
    disk: ['default', 'cold', 'default'],
    bytes: [2_750_000, 9_000_000, 281_000],
  },
  storage_tiers: {
    day: ['2026-01-02', '2026-01-01', '2026-01-01'],
    tier: ['hot', 'hot', 'cold'],
    bytes: [9_000_000, 1_000, 4_000_000],
  },
  order_steps: {
    step: ['decided', 'passed', 'sent', 'acknowledged', 'fill'],
    delay_us: [100, 20, 150, 1_000, 1_000],
    since_us: [100, 120, 270, 1_270, 2_270],
  },
  order_markout: { horizon_s: [1, 5, 30], markout_bps: [2.5, -1.25, null] },
  backtest_equity: {
    run: ['aaaaaaaaaaaa', 'aaaaaaaaaaaa', 'bbbbbbbbbbbb'],
    currency: ['USDT', 'USDT', 'USDT'],
    at_ms: [START, START + 60_000, START],
    equity: [0, 12.5, 3],
    drawdown: [0, -1.5, 0],
  },
};

/** What has to be readable on the drawing. */
const SEEN: Record<string, RegExp> = {
  basis_series: />z-score</,
  basis_histogram: /now \+0\.40 bp, percentile 61/,
  basis_term: />binance_coinm</,
  book_depth: />BTC-USDT-USDT-PERP okx bids</,
  funding_heat: />\+1[01]\.\d<[\s\S]*>×</,
  funding_series: />realised</,
  funding_carry: />03:00|>\d\d:\d\d/,
  coverage_calendar: />3 open<[\s\S]*>2 lost<|>2 lost<[\s\S]*>3 open</,
  pipeline_rows: />quote</,
  storage_tables: />landing\.quote</,
  storage_tiers: />cold</,
  order_steps: />4 acknowledged</,
  order_markout: />\+2\.50</,
  backtest_equity: />bbbbbbbb USDT</,
};

function draw(option: echarts.EChartsOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 360 });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

for (const spec of CATALOGUE) {
  test(`${spec.id} is drawn from rows in both themes, and says in words why it is empty`, () => {
    const rows = ROWS[spec.id];
    assert.ok(rows, 'it has rows to be tried with');
    for (const theme of [DARK, LIGHT]) assert.match(draw(spec.draw(rows, theme)), SEEN[spec.id] ?? /never/);
    const said = spec.describe(rows);
    assert.match(said, /\.$/);
    assert.doesNotMatch(said, /NaN|undefined|Infinity|null/);
    const empty = draw(spec.draw({}, DARK));
    assert.match(empty, /<text[^>]*>[a-z ,]{8,}/i);
    assert.doesNotMatch(spec.describe({}), /NaN|undefined|Infinity/);
    const share = spec.coverage?.(rows, START, START + 200_000) ?? null;
    assert.ok(share === null || (share >= 0 && share <= 1));
  });
}
