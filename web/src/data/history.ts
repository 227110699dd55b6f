import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Live } from './live.js';
import { ask } from './poll.js';
import type { History, Second } from './types.js';

/** Seconds shown by the charts. */
const KEPT = 600;

/** Finished seconds: fetched once, then lengthened by the live stream; asked anew after a hole. */
export function useHistory(live: Live): { seconds: readonly Second[]; kinds: readonly string[] } {
  const [seconds, setSeconds] = useState<readonly Second[]>([]);
  const [since, setSince] = useState(0);
  const newest = live.message?.common.second ?? null;
  const named = live.message?.common.kinds ?? [];
  const kinds = useMemo(() => named, [named.join(' ')]);
  useEffect(() => {
    const stop = new AbortController();
    ask<History>(`/api/v1/history?seconds=${KEPT}`, stop.signal)
      .then((answer) => setSeconds(answer.seconds))
      .catch(() => {
        // The live stream goes on alone; the next hole asks again.
      });
    return () => stop.abort();
  }, [since]);
  useEffect(() => {
    if (newest === null) return;
    const last = seconds.at(-1);
    if (last !== undefined && newest.at_ms <= last.at_ms) return;
    if (last !== undefined && newest.at_ms - last.at_ms > 1_900) setSince(newest.at_ms);
    setSeconds([...seconds.slice(1 - KEPT), newest]);
  }, [newest?.at_ms]);
  return { seconds, kinds };
}
