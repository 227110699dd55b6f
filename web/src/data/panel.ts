import type { Columns } from '../../panels/columns.js';
import type { Address } from './address.js';
import type { Polled } from './poll.js';
import { usePoll } from './poll.js';

/** A panel's rows as the console answers them. */
export interface PanelAnswer {
  now_ms: number;
  from_ms: number;
  to_ms: number;
  step_s: number;
  known_ms: number | null;
  took_ms: number;
  answer: { rows: number; data: Columns };
}

/** The question for a panel; `as` asks for another form of the same rows. */
export function panelPath(
  panel: string,
  address: Address,
  more: Record<string, string> = {},
  as?: 'csv' | 'sql',
): string {
  const query = new URLSearchParams({ range_s: String(address.range), ...more });
  if (address.to !== null) query.set('to_ms', String(address.to));
  if (address.known !== null) query.set('known_ms', String(address.known));
  if (as !== undefined) query.set('as', as);
  return `/api/v1/panels/${panel}?${query}`;
}

/** Rows of a panel, asked again every few seconds while the range ends in the present. */
export function usePanel(path: string | null, everyMs: number): Polled<PanelAnswer> {
  return usePoll<PanelAnswer>(path, everyMs);
}
