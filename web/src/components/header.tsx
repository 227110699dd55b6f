import type { ThemeChoice } from '../data/address.js';
import { useTick } from '../data/clock.js';
import type { Live } from '../data/live.js';
import type { Polled } from '../data/poll.js';
import type { PlatformAnswer } from '../data/types.js';
import { moment } from '../format.js';
import { State } from './panel.js';

const SOURCE = {
  generated: ['GENERATED', 'Prices come from the platform’s own simulated exchange.'],
  replay: ['REPLAY', 'Recorded frames are played again; venue times lie in the past.'],
  live: ['LIVE', 'Connected to the exchanges themselves.'],
} as const;

interface Verdict {
  kind: 'ok' | 'warn' | 'bad' | 'idle';
  words: string;
}

/** The platform in one line: the worst thing that is known. */
export function verdict(live: Live, platform: PlatformAnswer | null, problem: boolean, now: number): Verdict {
  if (!live.connected && live.message === null && platform === null && !problem)
    return { kind: 'idle', words: 'connecting' };
  if (!live.connected || live.at_ms === null || now - live.at_ms > 3_000)
    return { kind: 'bad', words: 'no live stream' };
  if (platform && !platform.bus.ok) return { kind: 'bad', words: 'hot path down' };
  if (platform && !platform.warehouse.ok) return { kind: 'bad', words: 'warehouse down' };
  const venues = live.message?.common.venues ?? [];
  const limit = live.message?.common.stale_after_ms ?? 5_000;
  const stale = venues.filter((venue) => venue.last_ms === null || now - venue.last_ms > limit);
  if (venues.length === 0) return { kind: 'warn', words: 'no feed yet' };
  if (stale.length === venues.length) return { kind: 'bad', words: 'all feeds stale' };
  if (stale.length > 0) return { kind: 'warn', words: `${stale.length} of ${venues.length} feeds stale` };
  const ill = platform?.services?.filter((service) => !service.healthy) ?? [];
  if (ill.length > 0) return { kind: 'warn', words: `${ill[0]?.name} ${ill[0]?.state}` };
  return { kind: 'ok', words: `${venues.length} feeds live` };
}

interface HeaderProps {
  live: Live;
  platform: Polled<PlatformAnswer>;
  theme: ThemeChoice;
  onTheme: (theme: ThemeChoice) => void;
}

export function Header(props: HeaderProps) {
  const now = useTick(250);
  const state = verdict(props.live, props.platform.answer, props.platform.problem !== null, now);
  const source = props.platform.answer ? SOURCE[props.platform.answer.source] : null;
  return (
    <header class="top">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <h1>
        <svg viewBox="0 0 32 32" aria-hidden="true" class="mark">
          <path class="m1" d="M9 7v18M6.6 12h4.8v7H6.6z" />
          <path class="m2" d="M16 4v21M13.6 8h4.8v10h-4.8z" />
          <path class="m3" d="M23 9v17M20.6 13h4.8v8h-4.8z" />
        </svg>
        KubeTrader
      </h1>
      <span class="verdict" role="status" aria-label="Platform state">
        <State kind={state.kind}>{state.words}</State>
      </span>
      {source ? (
        <abbr class={`source source-${props.platform.answer?.source}`} title={source[1]}>
          {source[0]}
        </abbr>
      ) : null}
      <span class="spring" />
      <time class="clock" dateTime={new Date(now).toISOString()}>
        {moment(now)} <small>UTC</small>
      </time>
      <fieldset class="switch">
        <legend class="hidden">Theme</legend>
        {(['system', 'light', 'dark'] as const).map((choice) => (
          <label key={choice}>
            <input
              type="radio"
              name="theme"
              value={choice}
              checked={props.theme === choice}
              onChange={() => props.onTheme(choice)}
            />
            <span>{choice === 'system' ? 'auto' : choice}</span>
          </label>
        ))}
      </fieldset>
    </header>
  );
}
