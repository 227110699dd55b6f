import { useEffect, useState } from 'preact/hooks';

/** Server time minus browser time; the greatest seen is the one with the least delay on the way. */
let offset = 0;
let recent: number[] = [];

/** Learns the server's clock from a message that says when it was written. */
export function learn(serverNowMs: number): void {
  recent = [...recent.slice(-30), serverNowMs - Date.now()];
  offset = Math.max(...recent);
}

/** Milliseconds UTC on the server's clock. Ages are counted on it, so that a wrong browser clock does no harm. */
export function serverNow(): number {
  return Date.now() + offset;
}

/** Everybody who waits for the same tick, so that they are drawn together. */
const tickers = new Map<number, Set<(now: number) => void>>();

function onTick(everyMs: number, listener: (now: number) => void): () => void {
  let listeners = tickers.get(everyMs);
  if (listeners === undefined) {
    const all = new Set<(now: number) => void>();
    listeners = all;
    tickers.set(everyMs, all);
    const timer = setInterval(() => {
      const now = serverNow();
      for (const each of all) each(now);
      if (all.size > 0) return;
      clearInterval(timer);
      tickers.delete(everyMs);
    }, everyMs);
  }
  const joined = listeners;
  joined.add(listener);
  return () => {
    joined.delete(listener);
  };
}

/** Renders again every `everyMs`, so that ages grow although no message comes. */
export function useTick(everyMs: number): number {
  const [now, setNow] = useState(serverNow());
  useEffect(() => onTick(everyMs, setNow), [everyMs]);
  return now;
}
