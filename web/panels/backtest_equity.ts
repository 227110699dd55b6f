import { known, lastKnown, numbers, texts, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, legend, PALETTE, timeAxis, valueAxis } from './theme.js';

/** Profit since the start, and how far below its peak, of one or two runs. */
export const backtestEquity: PanelSpec = {
  id: 'backtest_equity',
  title: 'Equity and drawdown',
  note: 'profit since the start after fees and funding; below, the fall from the peak',
  draw(columns, theme) {
    const at = numbers(columns, 'at_ms');
    const equity = numbers(columns, 'equity');
    const drawdown = numbers(columns, 'drawdown');
    const currency = texts(columns, 'currency');
    const names = texts(columns, 'run').map((run, row) => `${run.slice(0, 8)} ${currency[row]}`);
    if (known(equity).length === 0) return emptyChart('choose a run', theme);
    const course = (name: string, values: readonly (number | null)[]) =>
      at.flatMap((time, row) => (names[row] === name ? [[time, values[row] ?? null]] : []));
    const line = (name: string, index: number, values: readonly (number | null)[], grid: number) => ({
      name,
      type: 'line' as const,
      xAxisIndex: grid,
      yAxisIndex: grid,
      showSymbol: false,
      data: course(name, values) as never,
      lineStyle: { color: PALETTE[theme.name][index % 5] as string, width: 1.5 },
      itemStyle: { color: PALETTE[theme.name][index % 5] as string },
      ...(grid === 1 ? { areaStyle: { opacity: 0.2 } } : {}),
    });
    const distinct = [...new Set(names)];
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      axisPointer: { link: [{ xAxisIndex: 'all' }] },
      grid: [
        { left: 8, right: 72, top: 28, height: '55%' },
        { left: 8, right: 72, top: '74%', bottom: 22 },
      ],
      xAxis: [
        { ...timeAxis(theme), gridIndex: 0, axisLabel: { show: false } },
        { ...timeAxis(theme), gridIndex: 1 },
      ],
      yAxis: [
        { ...valueAxis(theme), gridIndex: 0, splitNumber: 4 },
        { ...valueAxis(theme), gridIndex: 1, splitNumber: 2 },
      ],
      series: distinct.flatMap((name, index) => [
        line(name, index, equity, 0),
        line(name, index, drawdown, 1),
      ]),
    };
  },
  describe(columns) {
    const last = lastKnown(numbers(columns, 'equity'));
    if (last === null) return 'No run is chosen.';
    const runs = new Set(texts(columns, 'run')).size;
    return `Equity of ${runs} runs; the last value is ${withSign(last, 2)}, the deepest fall ${withSign(Math.min(...known(numbers(columns, 'drawdown')), 0), 2)}.`;
  },
};
