import { useEffect, useState } from 'preact/hooks';
import type { Key } from '../data/live.js';
import type { PageProps } from './page.js';

/** The perpetual that a page is about: the one in the address, else bitcoin's busiest, else the busiest. */
export function usePerpetual(props: Pick<PageProps, 'address' | 'list'>): Key | null {
  const [first, setFirst] = useState<Key | null>(null);
  const list = props.list;
  useEffect(() => {
    if (first !== null || list === null) return;
    const rows = list.venue
      .map((venue, row) => ({ venue, instrument: list.instrument[row] ?? '', events: list.events[row] ?? 0 }))
      .filter((row) => row.instrument.endsWith('-PERP'))
      .sort((left, right) => right.events - left.events);
    const best = rows.find((row) => row.instrument.startsWith('BTC-')) ?? rows[0];
    if (best !== undefined) setFirst({ venue: best.venue, instrument: best.instrument });
  }, [list]);
  return props.address.key ?? first;
}
