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

/** Renders again every `everyMs`, so that ages grow although no message comes. */
export function useTick(everyMs: number): number {
  const [now, setNow] = useState(serverNow());
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
