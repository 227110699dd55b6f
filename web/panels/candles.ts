import type { EChartsOption } from 'echarts';
import { base, clockLabel, emptyChart, type Theme, valueAxis } from './theme.js';

/** Candles as the warehouse answers them: one array per column, in time order. */
export interface CandleColumns {
  readonly open_ms: readonly number[];
  readonly open: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly close: readonly (number | null)[];
  readonly volume: readonly (number | null)[];
}

export interface CandleSettings {
  readonly intervalSeconds: number;
  /** Unit of the volume, e.g. `BTC` or `contracts`. */
  readonly unit: string;
}

/** More empty buckets than this between two candles are shown as one break. */
const LONGEST_BREAK = 240;

interface Bucket {
  readonly at: number;
  /** Index into the columns, or null where no trade happened. */
  readonly row: number | null;
}

/** Every bucket from the first to the last candle: a second without a trade is a hole, not a line. */
export function buckets(columns: CandleColumns, intervalSeconds: number): Bucket[] {
  const step = intervalSeconds * 1000;
  const all: Bucket[] = [];
  columns.open_ms.forEach((at, row) => {
    const last = all.at(-1);
    if (last !== undefined && step > 0) {
      const missing = Math.min(Math.round((at - last.at) / step) - 1, LONGEST_BREAK);
      for (let hole = 1; hole <= missing; hole += 1) all.push({ at: last.at + hole * step, row: null });
    }
    all.push({ at, row });
  });
  return all;
}

const NOTHING = '-';

export function candles(columns: CandleColumns, settings: CandleSettings, theme: Theme): EChartsOption {
  if (columns.open_ms.length === 0) return emptyChart('no trades in this range yet', theme);
  const all = buckets(columns, settings.intervalSeconds);
  const pick = (column: readonly (number | null)[], row: number | null) =>
    row === null ? NOTHING : (column[row] ?? NOTHING);
  const rising = (row: number | null) =>
    row !== null && (columns.close[row] ?? 0) >= (columns.open[row] ?? 0);
  const prices = all.map(({ row }) => [
    pick(columns.open, row),
    pick(columns.close, row),
    pick(columns.low, row),
    pick(columns.high, row),
  ]);
  const volumes = all.map(({ row }) => ({
    value: pick(columns.volume, row),
    itemStyle: { color: rising(row) ? theme.up : theme.down, opacity: 0.55 },
  }));
  const times = all.map(({ at }) => clockLabel(at));
  const lastClose = columns.close.findLast((value) => value !== null);
  const axis = {
    type: 'category' as const,
    data: times,
    boundaryGap: true,
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisPointer: { label: { backgroundColor: theme.muted, color: theme.panel } },
  };
  return {
    ...base(theme),
    aria: { enabled: true, label: { description: describe(columns, settings) } },
    grid: [
      { left: 8, right: 68, top: 10, height: '68%' },
      { left: 8, right: 68, top: '78%', bottom: 22 },
    ],
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    xAxis: [
      { ...axis, gridIndex: 0, axisLabel: { show: false } },
      {
        ...axis,
        gridIndex: 1,
        axisLabel: { color: theme.muted, fontSize: 11, hideOverlap: true, showMinLabel: false },
      },
    ],
    yAxis: [
      { ...valueAxis(theme), gridIndex: 0, splitNumber: 5 },
      {
        ...valueAxis(theme),
        gridIndex: 1,
        splitNumber: 2,
        scale: false,
        name: '',
        axisLabel: { color: theme.muted, fontSize: 10, formatter: short },
      },
    ],
    dataZoom: [{ type: 'inside', xAxisIndex: [0, 1], filterMode: 'filter', minValueSpan: 10 }],
    series: [
      {
        name: 'price',
        type: 'candlestick',
        barMaxWidth: 14,
        data: prices as number[][],
        itemStyle: {
          // Rising candles are hollow, falling ones filled: the shape tells them apart, not colour alone.
          color: 'transparent',
          borderColor: theme.up,
          color0: theme.down,
          borderColor0: theme.down,
          borderColorDoji: theme.muted,
        },
        ...(lastClose === undefined || lastClose === null ? {} : { markLine: lastPrice(lastClose, theme) }),
      },
      {
        name: `volume ${settings.unit}`,
        type: 'bar',
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: volumes as never,
        barMaxWidth: 14,
      },
    ],
  };
}

function lastPrice(price: number, theme: Theme) {
  return {
    symbol: 'none',
    silent: true,
    animation: false,
    lineStyle: { color: theme.accent, type: 'dashed' as const, width: 1 },
    label: {
      color: theme.panel,
      backgroundColor: theme.accent,
      padding: [2, 4],
      borderRadius: 2,
      fontSize: 11,
      formatter: String(price),
    },
    data: [{ yAxis: price }],
  };
}

function short(value: number): string {
  return Math.abs(value) >= 1000 ? `${+(value / 1000).toPrecision(3)}K` : `${+value.toPrecision(3)}`;
}

/** The chart in one sentence, for people who hear the page. */
export function describe(columns: CandleColumns, settings: CandleSettings): string {
  const count = columns.open_ms.length;
  const first = columns.open_ms[0];
  const last = columns.open_ms.at(-1);
  const highs = columns.high.filter((value) => value !== null);
  const lows = columns.low.filter((value) => value !== null);
  if (first === undefined || last === undefined || highs.length === 0 || lows.length === 0) {
    return 'No trades in this range yet.';
  }
  return (
    `${count} candles of ${settings.intervalSeconds} seconds from ${clockLabel(first)} to ${clockLabel(last)} UTC, ` +
    `low ${Math.min(...lows)}, high ${Math.max(...highs)}, last close ${columns.close.at(-1) ?? 'unknown'}.`
  );
}
