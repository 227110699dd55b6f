/** Rows as ClickHouse and Grafana both give them: one array per column. */
export type Columns = Readonly<Record<string, readonly unknown[]>>;

/** A column of numbers; what is none is null, so that "unknown" never looks like zero. */
export function numbers(columns: Columns, name: string): (number | null)[] {
  return (columns[name] ?? []).map((value) => {
    if (value === null || value === undefined || value === '') return null;
    const number = typeof value === 'number' ? value : Number(value);
    return Number.isFinite(number) ? number : null;
  });
}

/** A column of text. */
export function texts(columns: Columns, name: string): string[] {
  return (columns[name] ?? []).map((value) => (value === null || value === undefined ? '' : String(value)));
}

/** How many rows there are. */
export function height(columns: Columns): number {
  return Object.values(columns)[0]?.length ?? 0;
}

/** The last number that is known. */
export function lastKnown(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

export function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

/** Minus and plus as signs of their own: `+1.25`, `−0.30`. */
export function withSign(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value > 0 ? '+' : '\u2212'}${text}`;
}

/** The time between the points of a series: the smallest step that occurs. */
export function stepOf(at: readonly number[]): number {
  let step = Number.POSITIVE_INFINITY;
  for (let row = 1; row < at.length; row += 1)
    step = Math.min(step, (at[row] ?? 0) - (at[row - 1] ?? 0) || step);
  return Number.isFinite(step) ? step : 0;
}

/** Points of a line with a break wherever steps are missing: nothing is drawn across what is not known. */
export function points(
  at: readonly (number | null)[],
  values: readonly (number | null)[],
): [number, number | null][] {
  const times = known(at);
  const step = stepOf(times);
  const line: [number, number | null][] = [];
  at.forEach((time, row) => {
    if (time === null) return;
    const last = line.at(-1);
    if (last !== undefined && step > 0 && time - last[0] > step * 1.5) line.push([last[0] + step, null]);
    line.push([time, values[row] ?? null]);
  });
  return line;
}
