import type { EChartsOption } from 'echarts';
import { base, emptyChart, kindColour, type Theme, timeAxis, valueAxis } from './theme.js';

/** Finished seconds of the hot path and of landing. */
export interface RateColumns {
  readonly at_ms: readonly number[];
  /** Kind of event → events in each second. */
  readonly by_kind: Readonly<Record<string, readonly (number | null)[]>>;
  /** Rows that became queryable; null in a second in which it was not measured. */
  readonly landed: readonly (number | null)[];
}

/** Events in, by kind, stacked; rows landed as a line over them. */
export function rates(columns: RateColumns, theme: Theme): EChartsOption {
  const kinds = Object.entries(columns.by_kind).filter(([, values]) =>
    values.some((value) => (value ?? 0) > 0),
  );
  if (columns.at_ms.length === 0 || kinds.length === 0)
    return emptyChart('no event on the hot path yet', theme);
  const points = (values: readonly (number | null)[]) =>
    columns.at_ms.map((at, row) => [at, values[row] ?? null]);
  const landedKnown = columns.landed.some((value) => value !== null);
  return {
    ...base(theme),
    aria: {
      enabled: true,
      label: { description: `Events per second over ${columns.at_ms.length} seconds, by kind.` },
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
      scale: false,
      min: 0,
      splitNumber: 3,
      axisLabel: { color: theme.muted, fontSize: 11, formatter: perSecond },
    },
    series: [
      ...kinds.map(([kind, values]) => ({
        name: kind,
        type: 'line' as const,
        stack: 'in',
        showSymbol: false,
        data: points(values) as never,
        lineStyle: { width: 1, color: kindColour(kind, theme) },
        itemStyle: { color: kindColour(kind, theme) },
        areaStyle: { color: kindColour(kind, theme), opacity: 0.28 },
      })),
      ...(landedKnown
        ? [
            {
              name: 'landed',
              type: 'line' as const,
              showSymbol: false,
              data: points(columns.landed) as never,
              lineStyle: { width: 1.5, color: theme.text, type: 'dashed' as const },
              itemStyle: { color: theme.text },
            },
          ]
        : []),
    ],
  };
}

function perSecond(value: number): string {
  return value >= 1000 ? `${+(value / 1000).toPrecision(3)}K/s` : `${value}/s`;
}
