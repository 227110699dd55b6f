import { useEffect, useState } from 'preact/hooks';
import type { Key } from './live.js';

export type Interval = '1s' | '1m';
export type ThemeChoice = 'system' | 'dark' | 'light';

/** The page's tabs in their order; the server knows the same names (crates/console/src/assets.rs). */
export const PAGES = [
  'overview',
  'basis',
  'funding',
  'orders',
  'quality',
  'storage',
  'backtests',
  'pipeline',
  'alerts',
] as const;
export type PageName = (typeof PAGES)[number];

/** Ranges that can be chosen, in seconds. */
export const RANGES: readonly [number, string][] = [
  [900, '15 m'],
  [3_600, '1 h'],
  [21_600, '6 h'],
  [86_400, '1 d'],
  [604_800, '7 d'],
  [2_592_000, '30 d'],
];

/** What the address carries, so that a view can be shared and reloaded. */
export interface Address {
  page: PageName;
  key: Key | null;
  interval: Interval;
  theme: ThemeChoice;
  /** Length of the range, s. */
  range: number;
  /** End of the range, ms UTC; null: the newest data. */
  to: number | null;
  /** The moment whose knowledge is shown, ms UTC; null: the present. */
  known: number | null;
  /** What a page looks at in detail: an order, a run. */
  id: string | null;
  /** What it is compared with. */
  other: string | null;
}

const USUAL_RANGE = 3_600;

function moment(text: string | null): number | null {
  const at = text === null ? Number.NaN : Date.parse(text);
  return Number.isFinite(at) ? at : null;
}

export function read(pathname: string, search: string): Address {
  const query = new URLSearchParams(search);
  const [venue, instrument] = (query.get('instrument') ?? '').split('/');
  const theme = query.get('theme');
  const range = Number(query.get('range') ?? USUAL_RANGE);
  return {
    page: PAGES.find((page) => pathname === `/${page}`) ?? 'overview',
    key: venue && instrument ? { venue, instrument } : null,
    interval: query.get('interval') === '1m' ? '1m' : '1s',
    theme: theme === 'dark' || theme === 'light' ? theme : 'system',
    range: Number.isInteger(range) && range > 0 ? range : USUAL_RANGE,
    to: moment(query.get('to')),
    known: moment(query.get('known')),
    id: query.get('id'),
    other: query.get('other'),
  };
}

export function write(address: Address): string {
  const query = new URLSearchParams();
  if (address.key !== null) query.set('instrument', `${address.key.venue}/${address.key.instrument}`);
  if (address.interval !== '1s') query.set('interval', address.interval);
  if (address.range !== USUAL_RANGE) query.set('range', String(address.range));
  if (address.to !== null) query.set('to', new Date(address.to).toISOString());
  if (address.known !== null) query.set('known', new Date(address.known).toISOString());
  if (address.id !== null) query.set('id', address.id);
  if (address.other !== null) query.set('other', address.other);
  if (address.theme !== 'system') query.set('theme', address.theme);
  // A slash and a colon may stand in a query as they are; the address stays readable.
  const text = query.toString().replaceAll('%2F', '/').replaceAll('%3A', ':');
  const path = address.page === 'overview' ? '/' : `/${address.page}`;
  return text === '' ? path : `${path}?${text}`;
}

export type Go = (change: Partial<Address>) => void;

/** The address as state; `go` changes it and keeps the browser's history usable. */
export function useAddress(): [Address, Go] {
  const here = () => read(location.pathname, location.search);
  const [address, setAddress] = useState(here);
  useEffect(() => {
    const back = () => setAddress(here());
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = (change: Partial<Address>) => {
    const next = { ...here(), ...change };
    if (write(next) !== location.pathname + location.search) history.pushState(null, '', write(next));
    setAddress(next);
  };
  return [address, go];
}
