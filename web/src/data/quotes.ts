import { useEffect, useState } from 'preact/hooks';
import { serverNow } from './clock.js';
import { merged } from './merge.js';
import type { Watched } from './types.js';

/** The watched instruments as they stand, apart from the page's other state: they move up to fifty times a second. */
export interface Quotes {
  rows: readonly Watched[];
  /** When the newest came, on the server's clock. */
  at_ms: number | null;
}

let newest: Quotes = { rows: [], at_ms: null };
const listeners = new Set<() => void>();

/** Takes what the live stream brought: all watched instruments, or those that moved. */
export function publishQuotes(came: readonly Watched[], whole: boolean): void {
  newest = { rows: merged(newest.rows, came, whole), at_ms: serverNow() };
  for (const listener of listeners) listener();
}

/** The watched instruments, drawn at most once for each picture that the screen shows. */
export function useQuotes(): Quotes {
  const [quotes, setQuotes] = useState(newest);
  useEffect(() => {
    let frame = 0;
    const draw = () => {
      frame = 0;
      setQuotes(newest);
    };
    const listener = () => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    listeners.add(listener);
    listener();
    return () => {
      listeners.delete(listener);
      cancelAnimationFrame(frame);
    };
  }, []);
  return quotes;
}
