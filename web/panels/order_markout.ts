import { known, numbers, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, valueAxis } from './theme.js';

/** Where the market went after the fills. */
export const orderMarkout: PanelSpec = {
  id: 'order_markout',
  title: 'Markout',
  note: 'middle of the book after the last fill against the average price, bp; above zero is profit',
  draw(columns, theme) {
    const markout = numbers(columns, 'markout_bps');
    const horizons = numbers(columns, 'horizon_s');
    if (known(markout).length === 0) return emptyChart('no fill, or no quote after it yet', theme);
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      grid: { left: 8, right: 60, top: 24, bottom: 24 },
      xAxis: {
        type: 'category',
        data: horizons.map((seconds) => `${seconds} s`),
        axisLabel: { color: theme.muted, fontSize: 11 },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: theme.line } },
      },
      yAxis: {
        ...valueAxis(theme),
        scale: false,
        axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value} bp' },
      },
      series: [
        {
          name: 'markout',
          type: 'bar',
          barMaxWidth: 40,
          data: markout.map((value) => ({
            value,
            itemStyle: { color: (value ?? 0) >= 0 ? theme.up : theme.down },
            label: { formatter: value === null ? '' : withSign(value, 2) },
          })),
          label: { show: true, position: 'top', color: theme.text, fontSize: 11 },
        },
      ],
    };
  },
  describe(columns) {
    const markout = numbers(columns, 'markout_bps');
    const parts = numbers(columns, 'horizon_s').flatMap((seconds, row) => {
      const value = markout[row];
      return value === null || value === undefined ? [] : [`${withSign(value, 2)} after ${seconds} s`];
    });
    return parts.length === 0
      ? 'No fill, or no quote after it yet.'
      : `Markout in basis points: ${parts.join(', ')}.`;
  },
};
