import { known, lastKnown, numbers, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, valueAxis } from './theme.js';

/** How long the basis was how wide, and where it stands now. */
export const basisHistogram: PanelSpec = {
  id: 'basis_histogram',
  title: 'Spread histogram',
  note: 'seconds at each width; the line is now',
  draw(columns, theme) {
    const bins = known(numbers(columns, 'bin_bps'));
    const seconds = numbers(columns, 'seconds');
    if (bins.length === 0) return emptyChart('no second with both perpetual and spot in this range', theme);
    const width = lastKnown(numbers(columns, 'width_bps')) ?? 0;
    const now = lastKnown(numbers(columns, 'current_bps'));
    const percentile = lastKnown(numbers(columns, 'percentile'));
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      grid: { left: 8, right: 56, top: 26, bottom: 24 },
      xAxis: {
        ...valueAxis(theme),
        position: 'bottom',
        splitLine: { show: false },
        axisLabel: {
          color: theme.muted,
          fontSize: 11,
          hideOverlap: true,
          alignMinLabel: 'left',
          formatter: '{value} bp',
        },
      },
      yAxis: {
        ...valueAxis(theme),
        scale: false,
        splitNumber: 3,
        axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value} s' },
      },
      series: [
        {
          name: 'seconds',
          type: 'bar',
          barCategoryGap: '4%',
          data: bins.map((bin, row) => ({
            value: [bin + width / 2, seconds[row] ?? 0],
            itemStyle: { color: now !== null && bin <= now ? theme.accent : theme.muted, opacity: 0.75 },
          })),
          ...(now === null
            ? {}
            : {
                markLine: {
                  symbol: 'none',
                  silent: true,
                  animation: false,
                  data: [{ xAxis: now }],
                  lineStyle: { color: theme.warn, width: 2, type: 'solid' },
                  label: {
                    formatter: `now ${withSign(now, 2)} bp${percentile === null ? '' : `, percentile ${Math.round(percentile * 100)}`}`,
                    color: theme.warn,
                    fontSize: 11,
                  },
                },
              }),
        },
      ],
    };
  },
  describe(columns) {
    const now = lastKnown(numbers(columns, 'current_bps'));
    const percentile = lastKnown(numbers(columns, 'percentile'));
    if (now === null || percentile === null) return 'No second with both perpetual and spot in this range.';
    return `The basis is ${withSign(now, 2)} basis points now: percentile ${Math.round(percentile * 100)} of the range.`;
  },
};
