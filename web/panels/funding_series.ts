import { known, lastKnown, numbers, points, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, legend, timeAxis, valueAxis } from './theme.js';

/** What the venue predicted, and what it settled at, both per year by the own interval. */
export const fundingSeries: PanelSpec = {
  id: 'funding_series',
  title: 'Predicted against realised',
  note: 'per year by its own interval',
  draw(columns, theme) {
    const at = numbers(columns, 'at_ms');
    const predicted = numbers(columns, 'predicted_apr');
    const settled = numbers(columns, 'settled_apr');
    if (known(predicted).length + known(settled).length === 0) {
      return emptyChart(
        at.length === 0 ? 'no funding rate in this range' : 'the interval is not known: no annual rate',
        theme,
      );
    }
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      tooltip: {
        ...base(theme).tooltip,
        valueFormatter: (value) => (typeof value === 'number' ? `${withSign(value * 100, 2)} %` : 'unknown'),
      },
      legend: legend(theme),
      grid: { left: 8, right: 64, top: 28, bottom: 22 },
      xAxis: timeAxis(theme),
      yAxis: {
        ...valueAxis(theme),
        axisLabel: {
          color: theme.muted,
          fontSize: 11,
          formatter: (value: number) => `${+(value * 100).toFixed(2)} %`,
        },
      },
      dataZoom: [{ type: 'inside', filterMode: 'none' }],
      series: [
        {
          name: 'predicted',
          type: 'line',
          step: 'end',
          showSymbol: false,
          data: points(at, predicted),
          lineStyle: { color: theme.accent, width: 1.5 },
          itemStyle: { color: theme.accent },
        },
        {
          name: 'realised',
          type: 'scatter',
          symbol: 'diamond',
          symbolSize: 9,
          data: at.flatMap((time, row) =>
            time === null || settled[row] == null ? [] : [[time, settled[row]]],
          ),
          itemStyle: { color: theme.warn },
        },
      ],
    };
  },
  describe(columns) {
    const last = lastKnown(numbers(columns, 'predicted_apr'));
    const count = known(numbers(columns, 'settled_apr')).length;
    const start =
      last === null ? 'No predicted rate per year' : `Predicted ${withSign(last * 100, 2)} % per year`;
    return `${start}; ${count} settled rates in the range.`;
  },
  newest: (columns) => lastKnown(numbers(columns, 'at_ms')),
};
