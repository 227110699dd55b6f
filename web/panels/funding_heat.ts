import { known, numbers, texts, withSign } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, heatColours } from './theme.js';

/** Funding per year, venue by asset, each by its own interval. */
export const fundingHeat: PanelSpec = {
  id: 'funding_heat',
  title: 'Funding per year, venue × asset',
  note: 'APR of the predicted rate by its own interval; empty: not known, ×: refused',
  draw(columns, theme) {
    const venues = texts(columns, 'venue');
    const assets = texts(columns, 'asset');
    const apr = numbers(columns, 'apr');
    const refused = texts(columns, 'refused');
    if (venues.length === 0) return emptyChart('no funding rate had been received by then', theme);
    const rows = [...new Set(venues)].sort();
    const widest = new Map<string, number>();
    assets.forEach((asset, row) => {
      widest.set(asset, Math.max(widest.get(asset) ?? 0, Math.abs(apr[row] ?? 0)));
    });
    const cols = [...widest]
      .sort((left, right) => right[1] - left[1])
      .slice(0, 60)
      .map(([asset]) => asset);
    // Of several contracts of one venue and asset the one that pays most is shown.
    const cells = new Map<string, [number, number, number | null, string]>();
    venues.forEach((venue, row) => {
      const x = cols.indexOf(assets[row] ?? '');
      const y = rows.indexOf(venue);
      if (x < 0) return;
      const value = refused[row] === '' ? (apr[row] ?? null) : null;
      const held = cells.get(`${x}/${y}`);
      if (held === undefined || Math.abs(value ?? 0) > Math.abs(held[2] ?? 0))
        cells.set(`${x}/${y}`, [x, y, value, refused[row] ?? '']);
    });
    const scale = Math.max(0.01, ...known(apr).map(Math.abs));
    const label = { color: theme.muted, fontSize: 11, interval: 0 };
    return {
      ...base(theme),
      tooltip: { ...base(theme).tooltip, trigger: 'item' },
      aria: { enabled: true, label: { description: this.describe(columns) } },
      grid: { containLabel: true, left: 8, right: 12, top: 8, bottom: 48 },
      xAxis: {
        type: 'category',
        data: cols,
        axisLabel: { ...label, rotate: cols.length > 14 ? 60 : 0 },
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
      },
      yAxis: {
        type: 'category',
        data: rows,
        axisLabel: label,
        axisLine: { show: false },
        axisTick: { show: false },
      },
      visualMap: {
        type: 'continuous',
        seriesIndex: 0,
        min: -scale,
        max: scale,
        calculable: false,
        orient: 'horizontal',
        left: 'center',
        bottom: 4,
        itemHeight: 140,
        itemWidth: 10,
        dimension: 2,
        text: [`shorts are paid +${(scale * 100).toFixed(0)} %`, `\u2212${(scale * 100).toFixed(0)} %`],
        textStyle: { color: theme.muted, fontSize: 11 },
        inRange: { color: heatColours(theme) },
      },
      series: [
        {
          name: 'APR',
          type: 'heatmap',
          data: [...cells.values()].flatMap(([x, y, value]) =>
            value === null
              ? []
              : {
                  value: [x, y, value],
                  name: `${cols[x]} ${rows[y]}`,
                  label: { show: cols.length <= 20, formatter: withSign(value * 100, 1) },
                },
          ),
          label: { color: theme.text, fontSize: 11 },
          itemStyle: { borderColor: theme.panel, borderWidth: 2 },
        },
        {
          // A heat map leaves out what has no value; that it was refused is to be seen.
          name: 'refused',
          type: 'scatter',
          symbol: 'circle',
          symbolSize: 18,
          itemStyle: { color: 'transparent' },
          label: { show: true, position: 'inside', formatter: '×', color: theme.warn, fontSize: 13 },
          data: [...cells.values()].flatMap(([x, y, value, why]) =>
            value === null && why !== '' ? { value: [x, y], name: `${cols[x]} ${rows[y]}: ${why}` } : [],
          ),
        },
      ],
    };
  },
  describe(columns) {
    const apr = numbers(columns, 'apr');
    const best = apr.reduce<number>(
      (at, value, row) => (Math.abs(value ?? 0) > Math.abs(apr[at] ?? 0) ? row : at),
      0,
    );
    const value = apr[best];
    if (value === null || value === undefined) return 'No funding rate had been received by then.';
    return `Funding of ${apr.length} instruments; the widest is ${texts(columns, 'instrument')[best]} on ${texts(columns, 'venue')[best]} with ${withSign(value * 100, 2)} % per year.`;
  },
  coverage(columns) {
    const refused = texts(columns, 'refused');
    return refused.length === 0 ? null : refused.filter((why) => why === '').length / refused.length;
  },
  newest: (columns) =>
    known(numbers(columns, 'recv_ms')).reduce<number | null>((most, at) => Math.max(most ?? at, at), null),
};
