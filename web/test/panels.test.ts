// Panels are drawn by the real ECharts on the server side, as SVG, and their text is looked at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as echarts from 'echarts';
import { basis, brokenLine } from '../panels/basis.js';
import { buckets, type CandleColumns, candles } from '../panels/candles.js';
import { DARK, basis as exportedBasis, LIGHT, lag, rates } from '../panels/index.js';

function draw(option: echarts.EChartsOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 800, height: 400 });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const START = Date.UTC(2024, 7, 8, 12, 0, 0);

const CANDLES: CandleColumns = {
  open_ms: [START, START + 1000, START + 4000],
  open: [61_250.1, 61_251, 61_249.7],
  high: [61_252, 61_251, 61_250.5],
  low: [61_249, 61_248.8, 61_249.1],
  close: [61_251, 61_249.7, 61_250.5],
  volume: [1.25, 0.4, 2.75],
};
const SETTINGS = { intervalSeconds: 1, unit: 'BTC' };

test('seconds without a trade are holes between the candles', () => {
  assert.deepEqual(
    buckets(CANDLES, 1).map((bucket) => bucket.row),
    [0, 1, null, null, 2],
  );
  const option = candles(CANDLES, SETTINGS, DARK) as { series: { data: unknown[] }[] };
  assert.deepEqual(option.series[0]?.data[2], ['-', '-', '-', '-']);
  assert.equal(option.series[0]?.data.length, 5);
});

test('a break of hours between two candles does not fill the chart with holes', () => {
  const apart = { ...CANDLES, open_ms: [START, START + 1000, START + 7_200_000] };
  assert.ok(buckets(apart, 1).length < 300);
});

test('candles, basis, rates and delays are drawn in both themes', () => {
  const at_ms = [0, 1, 2, 3].map((second) => START + second * 1000);
  for (const theme of [DARK, LIGHT]) {
    const price = draw(candles(CANDLES, SETTINGS, theme));
    assert.match(price, /61,25\d/, 'an axis of prices');
    assert.match(price, /12:00:0\d/, 'an axis of times');
    assert.ok(price.includes(theme.down) && price.includes(theme.up), 'rising and falling are drawn');
    assert.match(draw(basis({ at_ms, basis_bps: [1.5, null, -2.25, 3] }, theme)), /mean 0\.75/);
    const flow = draw(
      rates({ at_ms, by_kind: { trade: [5, 9, 0, 4], book: [0, 0, 0, 0] }, landed: [null, 14, 9, 0] }, theme),
    );
    assert.match(flow, />trade</);
    assert.match(flow, />landed</);
    assert.doesNotMatch(flow, />book</, 'a kind that never came has no line');
    const delays = {
      at_ms,
      p50_us: [120, 130, null, 110],
      p99_us: [900, 1200, null, 0],
      queryable_ms: [null, 640, null, null],
    };
    const drawn = draw(lag(delays, theme));
    assert.match(drawn, />queryable</);
    assert.match(drawn, /ms</, 'an axis of durations');
  }
});

test('without data a panel says why it is empty', () => {
  const none: CandleColumns = { open_ms: [], open: [], high: [], low: [], close: [], volume: [] };
  const said: [echarts.EChartsOption, RegExp][] = [
    [candles(none, SETTINGS, DARK), /no trades in this range yet/],
    [
      exportedBasis({ at_ms: [START], basis_bps: [null] }, DARK),
      /no second with both perpetual and spot yet/,
    ],
    [rates({ at_ms: [], by_kind: {}, landed: [] }, DARK), /no event on the hot path yet/],
    [
      lag({ at_ms: [START], p50_us: [null], p99_us: [null], queryable_ms: [null] }, DARK),
      /no event to measure yet/,
    ],
  ];
  for (const [option, words] of said) assert.match(draw(option), words);
});

test('columns full of nulls are drawn without a value', () => {
  const empty = {
    ...CANDLES,
    open: [null, null, null],
    close: [null, null, null],
    high: [null, null, null],
    low: [null, null, null],
    volume: [null, null, null],
  };
  assert.ok(draw(candles(empty, SETTINGS, DARK)).startsWith('<svg'));
});

test('a line breaks where its source was silent', () => {
  const points = brokenLine([0, 1_000, 60_000], [1, 2, 3]);
  assert.deepEqual(points, [
    [0, 1],
    [1_000, 2],
    [1_001, null],
    [60_000, 3],
  ]);
});
