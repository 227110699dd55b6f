import { known, numbers, texts } from './columns.js';
import { duration } from './lag.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, valueAxis } from './theme.js';

/** Signal, decision, risk, sending, acknowledgement, fills: when each step came, counted from the signal. */
export const orderSteps: PanelSpec = {
  id: 'order_steps',
  title: 'Timeline of the order',
  note: 'time since the signal’s data were received; the label is the delay of the hop',
  draw(columns, theme) {
    const since = numbers(columns, 'since_us');
    const delay = numbers(columns, 'delay_us');
    const steps = texts(columns, 'step');
    if (known(since).length === 0) return emptyChart('there is no such order', theme);
    const names = steps.map((step, row) => `${row + 1} ${step.replaceAll('_', ' ')}`).reverse();
    const begin = since.map((value, row) => Math.max(0, (value ?? 0) - Math.max(0, delay[row] ?? 0)));
    return {
      ...base(theme),
      tooltip: { ...base(theme).tooltip, trigger: 'item' },
      aria: { enabled: true, label: { description: this.describe(columns) } },
      grid: { left: 120, right: 90, top: 8, bottom: 26 },
      xAxis: {
        ...valueAxis(theme),
        position: 'bottom',
        scale: false,
        min: 0,
        axisLabel: { color: theme.muted, fontSize: 11, hideOverlap: true, formatter: duration },
      },
      yAxis: {
        type: 'category',
        data: names,
        axisLabel: { color: theme.muted, fontSize: 11 },
        axisLine: { show: false },
        axisTick: { show: false },
      },
      series: [
        {
          name: 'before',
          type: 'bar',
          stack: 'time',
          silent: true,
          itemStyle: { color: 'transparent' },
          data: [...begin].reverse(),
        },
        {
          name: 'hop',
          type: 'bar',
          stack: 'time',
          barMaxWidth: 14,
          barMinHeight: 2,
          data: delay
            .map((value, row) => ({
              value: Math.max(0, value ?? 0),
              name: `${steps[row]}: ${duration(Math.max(0, value ?? 0))}`,
              itemStyle: {
                color: /refused|rejected|halted|anomaly/.test(steps[row] ?? '')
                  ? theme.down
                  : steps[row] === 'fill'
                    ? theme.up
                    : theme.accent,
              },
              label: { formatter: duration(Math.max(0, value ?? 0)) },
            }))
            .reverse(),
          label: { show: true, position: 'right', color: theme.muted, fontSize: 11 },
        },
      ],
    };
  },
  describe(columns) {
    const steps = texts(columns, 'step');
    const since = known(numbers(columns, 'since_us'));
    if (steps.length === 0) return 'There is no such order.';
    return `${steps.length} steps, from ${steps[0]} to ${steps.at(-1)}, in ${duration(Math.max(...since))}.`;
  },
};
