import { known, numbers, texts } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, kindColour, legend, timeAxis, valueAxis } from './theme.js';

/** Rows that became queryable per second, by kind. */
export const pipelineRows: PanelSpec = {
  id: 'pipeline_rows',
  title: 'Rows landed',
  note: 'per second by kind, from the loader’s books',
  draw(columns, theme) {
    const at = numbers(columns, 'at_ms');
    const kinds = texts(columns, 'kind');
    const rate = numbers(columns, 'rows_per_second');
    if (known(rate).length === 0) return emptyChart('nothing landed in this range', theme);
    const times = [...new Set(known(at))].sort((left, right) => left - right);
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      grid: { left: 8, right: 60, top: 28, bottom: 22 },
      xAxis: timeAxis(theme),
      yAxis: {
        ...valueAxis(theme),
        scale: false,
        min: 0,
        axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value}/s' },
      },
      series: [...new Set(kinds)].map((kind) => {
        const value = new Map(
          at.flatMap((time, row) => (kinds[row] === kind ? [[time, rate[row] ?? null] as const] : [])),
        );
        return {
          name: kind,
          type: 'line' as const,
          stack: 'rows',
          showSymbol: false,
          data: times.map((time) => [time, value.get(time) ?? 0]) as never,
          lineStyle: { width: 1, color: kindColour(kind, theme) },
          itemStyle: { color: kindColour(kind, theme) },
          areaStyle: { color: kindColour(kind, theme), opacity: 0.28 },
        };
      }),
    };
  },
  describe(columns) {
    const rate = known(numbers(columns, 'rows_per_second'));
    if (rate.length === 0) return 'Nothing landed in this range.';
    return `Rows landed per second by kind; at most ${Math.round(Math.max(...rate))} of one kind.`;
  },
  newest: (columns) => known(numbers(columns, 'at_ms')).at(-1) ?? null,
};
