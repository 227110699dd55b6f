import { known, numbers, texts } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, shareColours } from './theme.js';

/** How much of each day each venue was heard. */
export const coverageCalendar: PanelSpec = {
  id: 'coverage_calendar',
  title: 'Coverage, venue × day',
  note: 'minutes with landed rows; gaps that begin on the day: open, or lost for good; empty: nothing known',
  draw(columns, theme) {
    const venues = texts(columns, 'venue');
    const days = texts(columns, 'day');
    const coverage = numbers(columns, 'coverage');
    const gaps = numbers(columns, 'gaps');
    const lost = numbers(columns, 'lost');
    const told = (row: number) =>
      [
        [gaps[row] ?? 0, 'open'],
        [lost[row] ?? 0, 'lost'],
      ]
        .filter(([count]) => count !== 0)
        .map(([count, state]) => `${count} ${state}`)
        .join('\n');
    if (venues.length === 0) return emptyChart('nothing has landed in this range', theme);
    const rows = [...new Set(venues)].sort();
    const cols = [...new Set(days)].sort();
    const label = { color: theme.muted, fontSize: 11 };
    return {
      ...base(theme),
      tooltip: { ...base(theme).tooltip, trigger: 'item' },
      aria: { enabled: true, label: { description: this.describe(columns) } },
      grid: { containLabel: true, left: 8, right: 12, top: 8, bottom: 48 },
      xAxis: {
        type: 'category',
        data: cols,
        axisLabel: label,
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
      },
      yAxis: {
        type: 'category',
        data: rows,
        axisLabel: { ...label, interval: 0 },
        axisLine: { show: false },
        axisTick: { show: false },
      },
      visualMap: {
        type: 'continuous',
        min: 0,
        max: 1,
        dimension: 2,
        orient: 'horizontal',
        left: 'center',
        bottom: 4,
        itemHeight: 120,
        itemWidth: 10,
        text: ['whole day', 'nothing'],
        textStyle: { color: theme.muted, fontSize: 11 },
        inRange: { color: shareColours(theme) },
      },
      series: [
        {
          name: 'coverage',
          type: 'heatmap',
          data: venues.map((venue, row) => ({
            value: [cols.indexOf(days[row] ?? ''), rows.indexOf(venue), coverage[row] ?? '-'],
            name: `${venue} ${days[row]}: ${((coverage[row] ?? 0) * 100).toFixed(1)} %`,
            label: { show: told(row) !== '', formatter: told(row) },
          })),
          label: { color: theme.text, fontSize: 11 },
          itemStyle: { borderColor: theme.panel, borderWidth: 2 },
        },
      ],
    };
  },
  describe(columns) {
    const values = known(numbers(columns, 'coverage'));
    if (values.length === 0) return 'Nothing has landed in this range.';
    const worst = Math.min(...values);
    const sum = (name: string) => known(numbers(columns, name)).reduce((total, count) => total + count, 0);
    const gaps = `${sum('gaps')} gaps are open, ${sum('lost')} cannot be filled`;
    return `${values.length} days of ${new Set(texts(columns, 'venue')).size} venues; the least covered has ${(worst * 100).toFixed(1)} % of its minutes; ${gaps}.`;
  },
};
