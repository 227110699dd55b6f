import type { EChartsOption } from 'echarts';
import { base, emptyChart, type Theme, timeAxis, valueAxis } from './theme.js';

/** Delays per second, all counted from the moment the frame was read from the socket. */
export interface LagColumns {
  readonly at_ms: readonly number[];
  /** Receive → hot-path subscriber, µs. */
  readonly p50_us: readonly (number | null)[];
  readonly p99_us: readonly (number | null)[];
  /** Receive → queryable, ms, of single probed rows. */
  readonly queryable_ms: readonly (number | null)[];
}

/** A duration in the unit that reads best. */
export function duration(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${+(microseconds / 1_000_000).toPrecision(3)} s`;
  if (microseconds >= 1_000) return `${+(microseconds / 1_000).toPrecision(3)} ms`;
  return `${Math.round(microseconds)} µs`;
}

export function lag(columns: LagColumns, theme: Theme): EChartsOption {
  const lines: [string, readonly (number | null)[], string, 'solid' | 'dashed' | 'dotted'][] = [
    ['hot path p50', columns.p50_us, theme.up, 'solid'],
    ['hot path p99', columns.p99_us, theme.accent, 'dashed'],
    ['queryable', columns.queryable_ms.map((ms) => (ms === null ? null : ms * 1000)), theme.warn, 'dotted'],
  ];
  const known = lines.filter(([, values]) => values.some((value) => value !== null));
  if (known.length === 0) return emptyChart('no event to measure yet', theme);
  return {
    ...base(theme),
    aria: {
      enabled: true,
      label: { description: `Delay from receipt over ${columns.at_ms.length} seconds.` },
    },
    tooltip: {
      ...base(theme).tooltip,
      valueFormatter: (value) => (typeof value === 'number' ? duration(value) : 'unknown'),
    },
    legend: {
      top: 0,
      icon: 'roundRect',
      left: 0,
      itemWidth: 10,
      itemHeight: 8,
      textStyle: { color: theme.muted, fontSize: 11, fontFamily: theme.font },
    },
    grid: { left: 8, right: 52, top: 26, bottom: 22 },
    xAxis: timeAxis(theme),
    yAxis: {
      ...valueAxis(theme),
      type: 'log',
      logBase: 10,
      axisLabel: { color: theme.muted, fontSize: 11, formatter: duration },
    },
    series: known.map(([name, values, colour, type]) => ({
      name,
      type: 'line' as const,
      // Probes are single points: a line joins them only where they are seconds apart.
      connectNulls: name === 'queryable',
      showSymbol: false,
      data: columns.at_ms.map((at, row) => [at, positive(values[row])]) as never,
      lineStyle: { width: 1.5, color: colour, type },
      itemStyle: { color: colour },
    })),
  };
}

/** A logarithmic axis has no place for zero. */
function positive(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Math.max(value, 1);
}
