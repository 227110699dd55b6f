import { known, numbers, texts, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, legend, PALETTE, valueAxis } from './theme.js';

/** What dated futures lock in until they expire, per year, by days left. */
export const basisTerm: PanelSpec = {
  id: 'basis_term',
  title: 'Term structure',
  note: 'dated futures: locked basis per year by days to expiry',
  draw(columns, theme) {
    const days = numbers(columns, 'days');
    const yearly = numbers(columns, 'annualised');
    const venues = texts(columns, 'venue');
    const names = texts(columns, 'instrument');
    if (known(yearly).length === 0) return emptyChart('no dated future of this underlying is quoted', theme);
    const distinct = [...new Set(venues)];
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      grid: { left: 8, right: 60, top: 28, bottom: 24 },
      xAxis: {
        ...valueAxis(theme),
        position: 'bottom',
        scale: false,
        min: 0,
        axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value} d' },
      },
      yAxis: {
        ...valueAxis(theme),
        axisLabel: {
          color: theme.muted,
          fontSize: 11,
          formatter: (value: number) => `${+(value * 100).toFixed(2)} %`,
        },
      },
      series: distinct.map((venue, index) => ({
        name: venue,
        type: 'line' as const,
        symbolSize: 8,
        symbol: ['circle', 'diamond', 'triangle', 'rect'][index % 4] as string,
        data: days
          .map((day, row) => ({ day, row }))
          .filter(({ day, row }) => day !== null && venues[row] === venue && yearly[row] !== null)
          .sort((left, right) => (left.day ?? 0) - (right.day ?? 0))
          .map(({ day, row }) => ({ name: names[row] ?? '', value: [day ?? 0, yearly[row] ?? 0] })),
        lineStyle: { color: PALETTE[theme.name][index % 5] as string, width: 1.5 },
        itemStyle: { color: PALETTE[theme.name][index % 5] as string },
      })),
    };
  },
  describe(columns) {
    const yearly = numbers(columns, 'annualised');
    const parts = texts(columns, 'instrument').flatMap((name, row) => {
      const value = yearly[row];
      return value === null || value === undefined ? [] : [`${name} ${withSign(value * 100, 2)} %`];
    });
    return parts.length === 0
      ? 'No dated future of this underlying is quoted.'
      : `Locked basis per year: ${parts.join(', ')}.`;
  },
  newest: (columns) =>
    known(numbers(columns, 'recv_ms')).reduce<number | null>((most, at) => Math.max(most ?? at, at), null),
};
