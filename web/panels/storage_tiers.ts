import { known, numbers, texts } from './columns.js';
import type { PanelSpec } from './spec.js';
import { bytesText } from './storage_tables.js';
import { base, emptyChart, legend, PALETTE, valueAxis } from './theme.js';

/** Which days of landing lie on the local disk and which in the object store. */
export const storageTiers: PanelSpec = {
  id: 'storage_tiers',
  title: 'Days by tier',
  note: 'landing: hot on the local disk, cold in the object store',
  draw(columns, theme) {
    const bytes = numbers(columns, 'bytes');
    if (known(bytes).length === 0) return emptyChart('nothing has landed yet', theme);
    const days = texts(columns, 'day');
    const tiers = texts(columns, 'tier');
    const shown = [...new Set(days)].sort();
    return {
      ...base(theme),
      tooltip: {
        ...base(theme).tooltip,
        valueFormatter: (value) => (typeof value === 'number' ? bytesText(value) : '–'),
      },
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      grid: { containLabel: true, left: 8, right: 8, top: 28, bottom: 8 },
      xAxis: {
        type: 'category',
        data: shown,
        axisLabel: { color: theme.muted, fontSize: 11, hideOverlap: true },
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
      },
      yAxis: {
        ...valueAxis(theme),
        scale: false,
        axisLabel: { color: theme.muted, fontSize: 11, formatter: bytesText },
      },
      series: ['hot', 'cold'].map((tier, index) => ({
        name: tier,
        type: 'bar' as const,
        stack: 'tier',
        barMaxWidth: 28,
        itemStyle: { color: PALETTE[theme.name][index === 0 ? 1 : 0] as string },
        data: shown.map(
          (day) => bytes[days.findIndex((one, row) => one === day && tiers[row] === tier)] ?? null,
        ),
      })),
    };
  },
  describe(columns) {
    const tiers = texts(columns, 'tier');
    const bytes = numbers(columns, 'bytes');
    const sum = (tier: string) =>
      bytes.reduce<number>((total, value, row) => total + (tiers[row] === tier ? (value ?? 0) : 0), 0);
    return `${bytesText(sum('hot'))} hot and ${bytesText(sum('cold'))} cold over ${new Set(texts(columns, 'day')).size} days.`;
  },
};
