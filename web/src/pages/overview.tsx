import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { BasisPanel, BookPanel, CandlePanel } from '../components/market.js';
import { FeedPanel, FlowPanels, GapPanel, QuarantinePanel, ServicePanel } from '../components/operations.js';
import { ScannerPanel } from '../components/scanner.js';
import { Tiles } from '../components/tiles.js';
import type { Interval } from '../data/address.js';
import { useHistory } from '../data/history.js';
import { type Key, keyText } from '../data/live.js';
import { usePoll } from '../data/poll.js';
import type { GapAnswer, InstrumentList, QuarantineAnswer, Scanner } from '../data/types.js';
import type { PageProps } from './page.js';

const WATCHED = 12;

/** The busiest instruments: what is shown before anybody chose. */
function busiest(list: InstrumentList | null): Key[] {
  const rows = (list?.venue ?? []).map((venue, row) => ({
    venue,
    instrument: list?.instrument[row] ?? '',
    events: list?.events[row] ?? 0,
  }));
  return rows.sort((left, right) => right.events - left.events).slice(0, WATCHED);
}

function byName(left: Key, right: Key): number {
  return left.instrument.localeCompare(right.instrument) || left.venue.localeCompare(right.venue);
}

/** What is shown to somebody who has not chosen: a perpetual of bitcoin, the market's yardstick, else the busiest. */
function firstView(pinned: readonly Key[], list: InstrumentList | null): Key | null {
  const events = (key: Key) =>
    list?.events[
      list.venue.findIndex((venue, row) => venue === key.venue && list.instrument[row] === key.instrument)
    ] ?? 0;
  const perpetuals = pinned.filter((key) => key.instrument.endsWith('-PERP'));
  const bitcoin = perpetuals.filter((key) => key.instrument.startsWith('BTC-'));
  const among = [bitcoin, perpetuals, pinned].find((keys) => keys.length > 0) ?? [];
  return among.reduce<Key | null>(
    (best, key) => (best === null || events(key) > events(best) ? key : best),
    null,
  );
}

function exchange(venue: string): string {
  return venue.split('_')[0] ?? venue;
}

function base(instrument: string): string {
  return (instrument.split('-')[0] ?? '').replace(/^10{3,}(?=\D)/, '');
}

/** The perpetual whose basis is shown: the chosen one, or the first of the chosen spot. */
function perpetualOf(chosen: Key | null, scanner: Scanner | null): Key | null {
  if (chosen === null) return null;
  if (chosen.instrument.endsWith('-PERP')) return chosen;
  const quote = chosen.instrument.split('-')[1];
  const all = (scanner?.venue ?? []).map((venue, row) => ({
    venue,
    instrument: scanner?.instrument[row] ?? '',
  }));
  const fits = all.filter(
    (key) =>
      exchange(key.venue) === exchange(chosen.venue) && base(key.instrument) === base(chosen.instrument),
  );
  return fits.find((key) => key.instrument.split('-')[1] === quote) ?? fits[0] ?? null;
}

/** Everything at a glance: rates, delays, health, one market, and all perpetuals. */
export default function Overview(props: PageProps & { onWatch: (keys: readonly Key[]) => void }) {
  const { address, go, theme, live, list } = props;
  const scanner = usePoll<Scanner>('/api/v1/scanner', 1_000);
  const gaps = usePoll<GapAnswer>('/api/v1/gaps?limit=200', 5_000);
  const quarantine = usePoll<QuarantineAnswer>('/api/v1/quarantine', 5_000);

  // The list is kept as it is once filled, so that rows do not jump while one reads them.
  const [pinned, setPinned] = useState<Key[]>([]);
  useEffect(() => {
    const candidates = busiest(list).filter((key) => !pinned.some((held) => keyText(held) === keyText(key)));
    if (pinned.length < WATCHED && candidates.length > 0)
      setPinned([...pinned, ...candidates].slice(0, WATCHED).sort(byName));
  }, [list]);

  const [first, setFirst] = useState<Key | null>(null);
  useEffect(() => {
    if (first === null && pinned.length > 0) setFirst(firstView(pinned, list));
  }, [pinned]);
  const chosen = address.key ?? first;
  const perpetual = perpetualOf(chosen, scanner.answer);
  const watch = useMemo(() => {
    const extra = [chosen, perpetual].filter((key) => key !== null);
    const known = new Set(pinned.map(keyText));
    return [...pinned, ...extra.filter((key) => !known.has(keyText(key)) && known.add(keyText(key)))];
  }, [pinned, chosen && keyText(chosen), perpetual && keyText(perpetual)]);
  useEffect(() => props.onWatch(watch), [watch]);
  const history = useHistory(live);
  const watched = live.message?.watch ?? [];
  const choose = useCallback((key: Key) => go({ key: { venue: key.venue, instrument: key.instrument } }), []);
  const chooseInterval = useCallback((interval: Interval) => go({ interval }), []);
  return (
    <>
      <Tiles live={live} seconds={history.seconds} gaps={gaps} quarantine={quarantine} />
      <div class="grid">
        <CandlePanel
          chosen={chosen}
          list={list}
          interval={address.interval}
          theme={theme}
          onChoose={choose}
          onInterval={chooseInterval}
        />
        <BookPanel onChoose={choose} />
        <BasisPanel
          perpetual={perpetual}
          now={watched.find((row) => perpetual !== null && keyText(row) === keyText(perpetual)) ?? null}
          theme={theme}
        />
        <div class="stack">
          <FeedPanel live={live} />
          <ServicePanel polled={props.platform} />
        </div>
        <ScannerPanel polled={scanner} chosen={chosen} onChoose={choose} />
        <FlowPanels seconds={history.seconds} kinds={history.kinds} theme={theme} />
        <GapPanel polled={gaps} />
        <QuarantinePanel polled={quarantine} />
      </div>
    </>
  );
}
