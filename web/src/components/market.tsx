import { memo } from 'preact/compat';
import { useMemo } from 'preact/hooks';
import { type BasisColumns, basis as basisChart, describe as describeBasis } from '../../panels/basis.js';
import { candles as candleChart, describe as describeCandles } from '../../panels/candles.js';
import type { Theme } from '../../panels/theme.js';
import type { Interval } from '../data/address.js';
import { type Key, keyText } from '../data/live.js';
import { usePoll } from '../data/poll.js';
import { useQuotes } from '../data/quotes.js';
import type { BasisAnswer, CandleAnswer, InstrumentList, Problem, Watched } from '../data/types.js';
import { aligned, interval as intervalText, percent, signed, until } from '../format.js';
import { Chart } from './chart.js';
import { InstrumentSelect } from './instrument.js';
import { Age, Empty, Panel, useStale } from './panel.js';

const CANDLES = 300;
const BASIS_SECONDS = 900;

/** What stands in the place of an answer that has not come. */
function asking(problem: Problem | null): string {
  return problem === null ? 'Asking the warehouse…' : 'Not known while the warehouse does not answer.';
}

export const CandlePanel = memo(function CandlePanel(props: {
  chosen: Key | null;
  list: InstrumentList | null;
  interval: Interval;
  theme: Theme;
  onChoose: (key: Key) => void;
  onInterval: (interval: Interval) => void;
}) {
  const { chosen, interval, theme } = props;
  const path =
    chosen === null
      ? null
      : `/api/v1/candles?venue=${encodeURIComponent(chosen.venue)}&instrument=${encodeURIComponent(chosen.instrument)}&interval=${interval}&limit=${CANDLES}`;
  const polled = usePoll<CandleAnswer>(path, 1_000);
  const answer = polled.answer;
  const settings = { intervalSeconds: interval === '1s' ? 1 : 60, unit: answer?.unit ?? '' };
  const option = useMemo(
    () => (answer === null ? null : candleChart(answer, settings, theme)),
    [answer, interval, theme.name, theme.still],
  );
  return (
    <Panel
      id="candles"
      title="Candles"
      at={answer?.newest_recv_ms ?? null}
      limit={60_000}
      problem={polled.problem}
      note={answer?.unit ? `volume in ${answer.unit}` : null}
      actions={
        <>
          <InstrumentSelect list={props.list} chosen={chosen} onChoose={props.onChoose} />
          <fieldset class="switch">
            <legend class="hidden">Candle length</legend>
            {(['1s', '1m'] as const).map((choice) => (
              <label key={choice}>
                <input
                  type="radio"
                  name="interval"
                  value={choice}
                  checked={interval === choice}
                  onChange={() => props.onInterval(choice)}
                />
                <span>{choice}</span>
              </label>
            ))}
          </fieldset>
        </>
      }
    >
      {chosen === null ? (
        <Empty>No instrument has sent an event yet. The selector fills as the feeds start.</Empty>
      ) : option === null ? (
        <Empty>{asking(polled.problem)}</Empty>
      ) : (
        <Chart
          option={option}
          label={answer ? describeCandles(answer, settings) : ''}
          view={`${path} ${theme.name}`}
        />
      )}
    </Panel>
  );
});

/** Basis: now from the hot path, its course from the warehouse. */
export function BasisPanel(props: { perpetual: Key | null; now: Watched | null; theme: Theme }) {
  const { perpetual, now, theme } = props;
  const path =
    perpetual === null
      ? null
      : `/api/v1/basis?venue=${encodeURIComponent(perpetual.venue)}&instrument=${encodeURIComponent(perpetual.instrument)}&limit=${BASIS_SECONDS}`;
  const polled = usePoll<BasisAnswer>(path, 1_000);
  const answer: (BasisColumns & BasisAnswer) | null = polled.answer;
  const option = useMemo(
    () => (answer === null ? null : basisChart(answer, theme)),
    [answer, theme.name, theme.still],
  );
  return (
    <Panel
      id="basis"
      title="Basis"
      at={polled.at_ms}
      limit={5_000}
      problem={polled.problem}
      note={perpetual === null ? null : perpetual.instrument}
    >
      {perpetual === null ? (
        <Empty>
          No perpetual of this underlying has sent an event yet, so there is nothing to compare with spot.
        </Empty>
      ) : (
        <>
          <BasisNow now={now} />
          {option === null ? (
            <Empty>{asking(polled.problem)}</Empty>
          ) : (
            <Chart
              option={option}
              label={answer ? describeBasis(answer) : ''}
              view={`${path} ${theme.name}`}
            />
          )}
        </>
      )}
    </Panel>
  );
}

function BasisNow(props: { now: Watched | null }) {
  const { basis, funding } = props.now ?? { basis: null, funding: null };
  const stale = basis?.stale ?? true;
  return (
    <dl class="facts">
      <div class={stale ? 'is-stale' : ''}>
        <dt>now {basis ? `vs ${basis.reference}` : ''}</dt>
        <dd>
          <span class="number big">{basis ? signed(basis.bps, 2) : '–'}</span> bp{' '}
          <AgeSince ms={basis?.age_ms ?? null} limit={10_000} />
        </dd>
      </div>
      <div class={funding && funding.age_ms > 900_000 ? 'is-stale' : ''}>
        <dt>funding {funding?.interval_seconds ? `per ${intervalText(funding.interval_seconds)}` : ''}</dt>
        <dd>
          <span class="number">{funding ? percent(funding.rate, 4) : '–'}</span>{' '}
          <AgeSince ms={funding?.age_ms ?? null} limit={900_000} />
        </dd>
      </div>
      <div>
        <dt>funding APR</dt>
        <dd>
          {funding?.apr != null ? (
            <span class="number">{percent(funding.apr, 2)}</span>
          ) : (
            <span class="why">{funding?.refused ?? 'no rate yet'}</span>
          )}
        </dd>
      </div>
      <div>
        <dt>settles</dt>
        <dd class="number">{funding?.settles_in_ms != null ? until(funding.settles_in_ms) : '–'}</dd>
      </div>
    </dl>
  );
}

/** An age that the server counted when it wrote the message. */
export function AgeSince(props: { ms: number | null; limit: number }) {
  return <Age at={props.ms === null ? null : Date.now() - props.ms} limit={props.limit} />;
}

/** Best bid and offer of several instruments, as they move. */
export function BookPanel(props: { onChoose: (key: Key) => void }) {
  const quotes = useQuotes();
  return (
    <Panel id="book" title="Top of book" at={quotes.at_ms} limit={3_000}>
      {quotes.rows.length === 0 ? (
        <Empty>No instrument has sent a quote yet.</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Top of book, scrolls sideways">
          <table>
            <thead>
              <tr>
                <th scope="col">Instrument</th>
                <th scope="col" class="right wide">
                  Qty
                </th>
                <th scope="col" class="right">
                  Bid
                </th>
                <th scope="col" class="right">
                  Ask
                </th>
                <th scope="col" class="right wide">
                  Qty
                </th>
                <th scope="col" class="right wide">
                  Spread, bp
                </th>
                <th scope="col" class="right">
                  Age
                </th>
              </tr>
            </thead>
            <tbody>
              {quotes.rows.map((row) => (
                <BookRow row={row} onChoose={props.onChoose} key={keyText(row)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

const QUOTE_LIMIT = 10_000;

const BookRow = memo((props: { row: Watched; onChoose: (key: Key) => void }) => {
  const { row } = props;
  const quote = row.quote;
  const stale = useStale(quote?.at_ms ?? null, QUOTE_LIMIT);
  const [bid, ask] = aligned(quote?.bid ?? null, quote?.ask ?? null);
  const crossed = quote?.spread_bps != null && quote.spread_bps < 0;
  return (
    <tr class={stale ? 'is-stale' : ''}>
      <th scope="row">
        <button type="button" class="link" onClick={() => props.onChoose(row)}>
          {row.instrument}
        </button>
        <small>{row.venue}</small>
      </th>
      <td class="right number dim wide">{quote?.bid_quantity ?? '–'}</td>
      <td class="right number bid">{bid ?? 'empty'}</td>
      <td class="right number ask">{ask ?? 'empty'}</td>
      <td class="right number dim wide">{quote?.ask_quantity ?? '–'}</td>
      <td class="right number wide">
        {quote?.spread_bps == null ? '–' : quote.spread_bps.toFixed(2)}
        {crossed ? <span class="why"> crossed</span> : null}
      </td>
      <td class="right">
        <Age at={quote?.at_ms ?? null} limit={QUOTE_LIMIT} what="The quote" />
      </td>
    </tr>
  );
});
