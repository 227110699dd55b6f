import { useEffect, useState } from 'preact/hooks';
import { learn, serverNow } from './clock.js';
import type { Problem } from './types.js';

export interface Polled<Answer> {
  /** The last good answer; kept when a later call fails, with its age. */
  answer: Answer | null;
  /** When it came, on the server's clock. */
  at_ms: number | null;
  problem: Problem | null;
}

const TIMEOUT_MS = 8_000;

/** One call; a failure is always words that a person can use. */
export async function ask<Answer>(path: string, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(path, { signal, headers: { accept: 'application/json' } });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw body ?? { error: `the console answered ${response.status}`, hint: 'see its log' };
  return body as Answer;
}

function problemOf(reason: unknown): Problem {
  if (reason !== null && typeof reason === 'object' && 'error' in reason) return reason as Problem;
  return { error: 'the console does not answer', hint: 'is it running? see `kt status`' };
}

/** Calls `path` every `everyMs`, one call at a time; null calls nothing. */
export function usePoll<Answer extends { now_ms: number }>(
  path: string | null,
  everyMs: number,
): Polled<Answer> {
  const [state, setState] = useState<{ path: string | null } & Polled<Answer>>({
    path,
    answer: null,
    at_ms: null,
    problem: null,
  });
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async () => {
      try {
        const answer = await ask<Answer>(
          path,
          AbortSignal.any([stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        );
        learn(answer.now_ms);
        if (!stop.signal.aborted) setState({ path, answer, at_ms: serverNow(), problem: null });
      } catch (reason) {
        if (!stop.signal.aborted) {
          setState((held) => ({
            path,
            answer: held.path === path ? held.answer : null,
            at_ms: held.path === path ? held.at_ms : null,
            problem: problemOf(reason),
          }));
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(round, everyMs);
    };
    void round();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs]);
  return state.path === path ? state : { answer: null, at_ms: null, problem: null };
}
