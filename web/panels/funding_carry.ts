import { known, lastKnown, numbers, texts, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, timeAxis, valueAxis } from './theme.js';

/** Cash that a short position of one unit received, settlement by settlement and in all. */
export const fundingCarry: PanelSpec = {
  id: 'funding_carry',
  title: 'Carry in cash',
  note: 'received by a short of one unit; hollow: from the last prediction, not settled by the venue',
  draw(columns, theme) {
    const at = numbers(columns, 'at_ms');
    const cash = numbers(columns, 'cash');
    const carried = numbers(columns, 'carried');
    const source = texts(columns, 'basis_of_rate');
    if (known(cash).length === 0) return emptyChart('no settlement in this range', theme);
    return {
      ...base(theme),
      aria: { enabled: true, label: { description: this.describe(columns) } },
      grid: { left: 8, right: 72, top: 12, bottom: 22 },
      xAxis: timeAxis(theme),
      yAxis: { ...valueAxis(theme), scale: false },
      series: [
        {
          name: 'per settlement',
          type: 'bar',
          barMaxWidth: 18,
          data: at.map((time, row) => {
            const value = cash[row] ?? null;
            const colour = (value ?? 0) >= 0 ? theme.up : theme.down;
            const hollow = source[row] !== 'settled';
            return {
              value: [time, value],
              itemStyle: { color: hollow ? 'transparent' : colour, borderColor: colour, borderWidth: 1 },
            };
          }) as never,
        },
        {
          name: 'in all',
          type: 'line',
          showSymbol: false,
          data: at.map((time, row) => [time, carried[row] ?? null]) as never,
          lineStyle: { color: theme.accent, width: 1.5 },
          itemStyle: { color: theme.accent },
        },
      ],
    };
  },
  describe(columns) {
    const last = lastKnown(numbers(columns, 'carried'));
    if (last === null) return 'No settlement in this range.';
    return `A short of one unit received ${withSign(last, 4)} ${texts(columns, 'currency')[0] ?? ''} in ${numbers(columns, 'cash').length} settlements.`;
  },
  newest: (columns) => lastKnown(numbers(columns, 'at_ms')),
};
