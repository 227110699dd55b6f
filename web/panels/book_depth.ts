import { type Columns, known, numbers, texts } from './columns.js';
import type { PanelSpec } from './spec.js';
import { base, emptyChart, legend, PALETTE, valueAxis } from './theme.js';

/** `1.2 M`: a value in the quote currency. */
export function valueText(value: number): string {
  const units = ['', ' k', ' M', ' bn'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(value, 1)) / 3)));
  return `${+(value / 1000 ** power).toPrecision(3)}${units[power]}`;
}

interface Curve {
  name: string;
  instrument: string;
  side: string;
  points: [number, number | null][];
}

/** One curve for each side of each book; what is not known ends it. */
function curves(columns: Columns): Curve[] {
  const [venue, instrument, side] = ['venue', 'instrument', 'side'].map((name) => texts(columns, name));
  const within = numbers(columns, 'within_bps');
  const value = numbers(columns, 'value');
  const found = new Map<string, Curve>();
  within.forEach((distance, row) => {
    if (distance === null) return;
    const name = `${instrument?.[row]} ${venue?.[row]} ${side?.[row]}s`;
    const curve = found.get(name) ?? {
      name,
      instrument: instrument?.[row] ?? '',
      side: side?.[row] ?? '',
      points: [],
    };
    found.set(name, curve);
    curve.points.push([distance, value[row] ?? null]);
  });
  return [...found.values()].sort((left, right) => left.name.localeCompare(right.name));
}

/** How much could be traded within so many basis points of the middle, in the perpetual's book and its spot's. */
export const bookDepth: PanelSpec = {
  id: 'book_depth',
  title: 'Depth beyond the best price',
  note: 'value within so many basis points of the middle, quote currency; a curve ends where the book is not known',
  draw(columns, theme) {
    const found = curves(columns);
    if (known(numbers(columns, 'value')).length === 0)
      return emptyChart('no book is known at the end of the range', theme);
    const instruments = [...new Set(found.map((curve) => curve.instrument))];
    const largest = Math.max(...known(numbers(columns, 'value')));
    const smallest = Math.min(...known(numbers(columns, 'value')).filter((value) => value > 0), largest);
    return {
      ...base(theme),
      tooltip: {
        ...base(theme).tooltip,
        valueFormatter: (value) => (typeof value === 'number' ? valueText(value) : 'not known'),
      },
      aria: { enabled: true, label: { description: this.describe(columns) } },
      legend: legend(theme),
      grid: { left: 8, right: 60, top: 28, bottom: 24 },
      xAxis: {
        ...valueAxis(theme),
        type: 'log',
        position: 'bottom',
        min: 1,
        max: 200,
        axisLabel: { color: theme.muted, fontSize: 11, formatter: '{value} bp' },
      },
      yAxis: {
        ...valueAxis(theme),
        type: 'log',
        min: 10 ** Math.floor(Math.log10(Math.max(smallest, 1))),
        axisLabel: { color: theme.muted, fontSize: 11, formatter: (value: number) => valueText(value) },
      },
      series: found.map((curve) => {
        const colour = PALETTE[theme.name][instruments.indexOf(curve.instrument) % 5] as string;
        return {
          name: curve.name,
          type: 'line' as const,
          symbolSize: 6,
          // A logarithm has no nothing: a side that is empty so near begins where it is not.
          data: curve.points.map(([distance, value]) => [
            distance,
            value !== null && value > 0 ? value : null,
          ]),
          lineStyle: { color: colour, width: 1.5, type: curve.side === 'bid' ? 'solid' : 'dashed' },
          itemStyle: { color: colour },
          symbol: curve.side === 'bid' ? 'circle' : 'emptyCircle',
        };
      }),
    };
  },
  describe(columns) {
    const at = (curve: Curve) => curve.points.find(([distance]) => distance === 10)?.[1] ?? null;
    const parts = curves(columns).map((curve) => {
      const value = at(curve);
      return `${curve.name} ${value === null ? 'not known so far' : valueText(value)}`;
    });
    return parts.length === 0
      ? 'No book is known at the end of the range.'
      : `Within 10 basis points of the middle: ${parts.join(', ')}.`;
  },
};
