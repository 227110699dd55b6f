import type { Watched } from './types.js';

const keyOf = (row: Watched) => `${row.venue}/${row.instrument}`;

/** Puts rows in the place of those held. A row that did not change stays the same object, so that it is not drawn again. */
export function merged(
  held: readonly Watched[],
  came: readonly Watched[],
  whole: boolean,
): readonly Watched[] {
  const byKey = new Map(came.map((row) => [keyOf(row), row]));
  const before = new Map(held.map((row) => [keyOf(row), row]));
  if (!whole) return held.map((row) => byKey.get(keyOf(row)) ?? row);
  return came.map((row) => {
    const old = before.get(keyOf(row));
    return old !== undefined && old.events === row.events ? old : row;
  });
}
