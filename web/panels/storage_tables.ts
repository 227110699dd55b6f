import { known, numbers, texts } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, legend, PALETTE, valueAxis } from './theme.js';

/** `1.5 GB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  return `${+(bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

/** The largest tables and the disk they lie on. */
export const storageTables: PanelSpec = {
  id: 'storage_tables',
  title: 'Bytes by table and disk',
  note: 'compressed, on disk',
  draw(columns, theme) {
    const bytes = numbers(columns, 'bytes');
    if (known(bytes).length === 0) return emptyChart('the warehouse holds nothing yet', theme);
    const disks = texts(columns, 'disk');
    const names = texts(columns, 'table').map((table, row) => `${texts(columns, 'database')[row]}.${table}`);
    const shown = [...new Set(names)].slice(0, 14).reverse();
    return {
      ...base(theme),
      tooltip: {
        ...base(theme).tooltip,
        valueFormatter: (value) => (typeof value === 'number' ? bytesText(value) : '–'),
      },
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      grid: { containLabel: true, left: 8, right: 24, top: 28, bottom: 8 },
      xAxis: {
        ...valueAxis(theme),
        position: 'bottom',
        scale: false,
        splitNumber: 3,
        axisLabel: { color: theme.muted, fontSize: 11, hideOverlap: true, formatter: bytesText },
      },
      yAxis: {
        type: 'category',
        data: shown,
        axisLabel: { color: theme.muted, fontSize: 11 },
        axisLine: { show: false },
        axisTick: { show: false },
      },
      series: [...new Set(disks)].map((disk, index) => ({
        name: disk,
        type: 'bar' as const,
        stack: 'disk',
        barMaxWidth: 16,
        itemStyle: { color: PALETTE[theme.name][index % 5] as string },
        data: shown.map((name) =>
          bytes.reduce<number>(
            (sum, value, row) => (names[row] === name && disks[row] === disk ? sum + (value ?? 0) : sum),
            0,
          ),
        ),
      })),
    };
  },
  describe(columns) {
    const bytes = known(numbers(columns, 'bytes'));
    return `${bytesText(bytes.reduce((sum, value) => sum + value, 0))} in ${bytes.length} tables and disks.`;
  },
};
