import { useEffect, useState } from 'preact/hooks';
import type { Key } from './live.js';

export type Interval = '1s' | '1m';
export type ThemeChoice = 'system' | 'dark' | 'light';

/** What the address carries, so that a view can be shared and reloaded. */
export interface Address {
  key: Key | null;
  interval: Interval;
  theme: ThemeChoice;
}

export function read(search: string): Address {
  const query = new URLSearchParams(search);
  const [venue, instrument] = (query.get('instrument') ?? '').split('/');
  const theme = query.get('theme');
  return {
    key: venue && instrument ? { venue, instrument } : null,
    interval: query.get('interval') === '1m' ? '1m' : '1s',
    theme: theme === 'dark' || theme === 'light' ? theme : 'system',
  };
}

export function write(address: Address): string {
  const query = new URLSearchParams();
  if (address.key !== null) query.set('instrument', `${address.key.venue}/${address.key.instrument}`);
  if (address.interval !== '1s') query.set('interval', address.interval);
  if (address.theme !== 'system') query.set('theme', address.theme);
  // A slash may stand in a query as it is; the address stays readable.
  const text = query.toString().replaceAll('%2F', '/');
  return text === '' ? '/' : `/?${text}`;
}

/** The address as state; `go` changes it and keeps the browser's history usable. */
export function useAddress(): [Address, (change: Partial<Address>) => void] {
  const [address, setAddress] = useState(() => read(location.search));
  useEffect(() => {
    const back = () => setAddress(read(location.search));
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = (change: Partial<Address>) => {
    const next = { ...read(location.search), ...change };
    if (write(next) !== location.pathname + location.search) history.pushState(null, '', write(next));
    setAddress(next);
  };
  return [address, go];
}
