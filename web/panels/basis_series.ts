import { known, lastKnown, numbers, points, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, clockLabel, emptyChart, legend, timeAxis, valueAxis } from './theme.js';

/** Width of the band, in deviations. */
const BAND = 2;

/** Basis per step, its rolling mean and the band of two deviations about it; below, the z-score. */
export const basisSeries: PanelSpec = {
  id: 'basis_series',
  title: 'Basis and its band',
  note: 'bp, mean ± 2 deviations of 120 steps; z-score below',
  draw(columns, theme) {
    const at = numbers(columns, 'at_ms');
    const basis = numbers(columns, 'basis_bps');
    if (known(basis).length === 0)
      return emptyChart('no second with both perpetual and spot in this range', theme);
    const mean = numbers(columns, 'mean_bps');
    const deviation = numbers(columns, 'deviation_bps');
    const edge = (sign: number) =>
      mean.map((value, row) => {
        const width = deviation[row] ?? null;
        return value === null || width === null ? null : value + sign * BAND * width;
      });
    const line = (
      name: string,
      values: readonly (number | null)[],
      colour: string,
      type: 'solid' | 'dashed' | 'dotted',
      grid = 0,
    ) => ({
      name,
      type: 'line' as const,
      xAxisIndex: grid,
      yAxisIndex: grid,
      showSymbol: false,
      connectNulls: false,
      data: points(at, values),
      lineStyle: { color: colour, width: type === 'solid' ? 1.5 : 1, type },
      itemStyle: { color: colour },
    });
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      axisPointer: { link: [{ xAxisIndex: 'all' }] },
      grid: [
        { left: 8, right: 64, top: 28, height: '58%' },
        { left: 8, right: 64, top: '76%', bottom: 22 },
      ],
      xAxis: [
        { ...timeAxis(theme), gridIndex: 0, axisLabel: { show: false } },
        { ...timeAxis(theme), gridIndex: 1 },
      ],
      yAxis: [
        {
          ...valueAxis(theme),
          gridIndex: 0,
          splitNumber: 4,
          axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value} bp' },
        },
        {
          ...valueAxis(theme),
          gridIndex: 1,
          splitNumber: 2,
          axisLabel: { color: theme.muted, fontSize: 10, formatter: '{value} σ' },
        },
      ],
      dataZoom: [{ type: 'inside', xAxisIndex: [0, 1], filterMode: 'none' }],
      series: [
        line('basis', basis, theme.accent, 'solid'),
        line('mean', mean, theme.warn, 'dashed'),
        line('+2σ', edge(1), theme.muted, 'dotted'),
        line('−2σ', edge(-1), theme.muted, 'dotted'),
        {
          ...line('z-score', numbers(columns, 'z'), theme.up, 'solid', 1),
          markLine: {
            symbol: 'none',
            silent: true,
            animation: false,
            label: { show: false },
            lineStyle: { color: theme.muted, type: 'dotted' },
            data: [{ yAxis: BAND }, { yAxis: -BAND }],
          },
        },
      ],
    };
  },
  describe(columns) {
    const basis = numbers(columns, 'basis_bps');
    const last = lastKnown(basis);
    if (last === null) return 'No second with both perpetual and spot in this range.';
    const all = known(basis);
    const z = lastKnown(numbers(columns, 'z'));
    const from = clockLabel(numbers(columns, 'at_ms')[0] ?? Number.NaN);
    return (
      `Basis of perpetual against spot from ${from} UTC: lowest ${withSign(Math.min(...all), 2)}, highest ` +
      `${withSign(Math.max(...all), 2)}, last ${withSign(last, 2)} basis points` +
      `${z === null ? '.' : `, ${withSign(z, 1)} deviations from its mean.`}`
    );
  },
  coverage(columns, fromMs, toMs) {
    const seconds = known(numbers(columns, 'seconds')).reduce((sum, value) => sum + value, 0);
    return toMs > fromMs ? Math.min(1, (seconds * 1000) / (toMs - fromMs)) : null;
  },
  newest: (columns) => lastKnown(numbers(columns, 'at_ms')),
};
