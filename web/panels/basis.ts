import type { EChartsOption } from 'echarts';
import { base, clockLabel, emptyChart, type Theme, timeAxis, valueAxis } from './theme.js';

/** Basis per second; null where a leg was missing or too old. */
export interface BasisColumns {
  readonly at_ms: readonly number[];
  readonly basis_bps: readonly (number | null)[];
}

/** A silence longer than this breaks the line: nothing is drawn across what is not known. */
const LONGEST_SILENCE_MS = 5_000;

/** Points of a line, with a break where the source was silent. */
export function brokenLine(
  at: readonly number[],
  values: readonly (number | null)[],
): [number, number | null][] {
  const points: [number, number | null][] = [];
  at.forEach((time, row) => {
    const last = points.at(-1);
    if (last !== undefined && time - last[0] > LONGEST_SILENCE_MS) points.push([last[0] + 1, null]);
    points.push([time, values[row] ?? null]);
  });
  return points;
}

export function basis(columns: BasisColumns, theme: Theme): EChartsOption {
  const known = columns.basis_bps.filter((value) => value !== null);
  if (known.length === 0) return emptyChart('no second with both perpetual and spot yet', theme);
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return {
    ...base(theme),
    aria: { enabled: true, label: { description: describe(columns) } },
    grid: { left: 8, right: 68, top: 12, bottom: 22 },
    xAxis: timeAxis(theme),
    yAxis: {
      ...valueAxis(theme),
      splitNumber: 4,
      axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value} bp' },
    },
    dataZoom: [{ type: 'inside', filterMode: 'none' }],
    series: [
      {
        name: 'basis, bp',
        type: 'line',
        showSymbol: false,
        connectNulls: false,
        data: brokenLine(columns.at_ms, columns.basis_bps),
        lineStyle: { color: theme.accent, width: 1.5 },
        itemStyle: { color: theme.accent },
        areaStyle: { color: theme.accent, opacity: 0.1 },
        markLine: {
          symbol: 'none',
          silent: true,
          animation: false,
          data: [
            { yAxis: 0, lineStyle: { color: theme.muted, type: 'solid' }, label: { show: false } },
            {
              yAxis: Number(mean.toFixed(3)),
              lineStyle: { color: theme.warn, type: 'dashed' },
              label: {
                formatter: `mean ${mean.toFixed(2)}`,
                position: 'insideStartTop',
                color: theme.warn,
                fontSize: 11,
              },
            },
          ],
        },
      },
    ],
  };
}

export function describe(columns: BasisColumns): string {
  const known = columns.basis_bps.filter((value) => value !== null);
  const last = known.at(-1);
  if (last === undefined) return 'No second with both perpetual and spot yet.';
  const from = clockLabel(columns.at_ms[0] ?? Number.NaN);
  return (
    `Basis of perpetual against spot from ${from} UTC: lowest ${Math.min(...known).toFixed(2)}, ` +
    `highest ${Math.max(...known).toFixed(2)}, last ${last.toFixed(2)} basis points.`
  );
}
