import { memo } from 'preact/compat';
import { useMemo } from 'preact/hooks';
import { lag as lagChart } from '../../panels/lag.js';
import { rates as rateChart } from '../../panels/rates.js';
import type { Theme } from '../../panels/theme.js';
import type { Live } from '../data/live.js';
import type { Polled } from '../data/poll.js';
import type { GapAnswer, PlatformAnswer, QuarantineAnswer, Second, VenueHealth } from '../data/types.js';
import { age, compact, grouped, moment } from '../format.js';
import { Chart } from './chart.js';
import { Age, Empty, Panel, State, useStale } from './panel.js';

/** Events by kind and delays over the last minutes. */
export const FlowPanels = memo(function FlowPanels(props: {
  seconds: readonly Second[];
  kinds: readonly string[];
  theme: Theme;
}) {
  const { seconds, kinds, theme } = props;
  const at = seconds.at(-1);
  const [rates, lag] = useMemo(() => {
    const at_ms = seconds.map((second) => second.at_ms);
    const by_kind = Object.fromEntries(
      kinds.map((kind, index) => [kind, seconds.map((s) => s.by_kind[index] ?? null)]),
    );
    return [
      rateChart({ at_ms, by_kind, landed: seconds.map((s) => s.landed) }, theme),
      lagChart(
        {
          at_ms,
          p50_us: seconds.map((s) => s.lag_p50_us),
          p99_us: seconds.map((s) => s.lag_p99_us),
          queryable_ms: seconds.map((s) => s.queryable_ms),
        },
        theme,
      ),
    ];
  }, [at?.at_ms, seconds.length, kinds.length, theme.name, theme.still]);
  const when = at === undefined ? null : at.at_ms + 1000;
  return (
    <>
      <Panel id="rates" title="Rates in and out" at={when} limit={3_000} note="events per second">
        <Chart
          option={rates}
          label="Events per second by kind, and rows landed per second"
          view={theme.name}
        />
      </Panel>
      <Panel id="lag" title="End-to-end delay" at={when} limit={3_000} note="from receipt, logarithmic">
        <Chart
          option={lag}
          label="Delay from receipt to the hot path and to the warehouse"
          view={theme.name}
        />
      </Panel>
    </>
  );
});

export function FeedPanel(props: { live: Live }) {
  const common = props.live.message?.common;
  return (
    <Panel id="feeds" title="Feeds" at={props.live.at_ms} limit={3_000}>
      {common === undefined || common.venues.length === 0 ? (
        <Empty>No feed has sent an event since the console started.</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Feeds, scrolls sideways">
          <table>
            <thead>
              <tr>
                <th scope="col">Venue</th>
                <th scope="col">State</th>
                <th scope="col" class="right">
                  Events/s
                </th>
                {SHOWN_KINDS.map((kind) => (
                  <th scope="col" class="right wide" key={kind}>
                    {kind}
                  </th>
                ))}
                <th scope="col" class="right wide">
                  Connections
                </th>
                <th scope="col" class="right wide">
                  Cuts
                </th>
                <th scope="col" class="right">
                  Last event
                </th>
              </tr>
            </thead>
            <tbody>
              {common.venues.map((venue) => (
                <FeedRow
                  key={venue.venue}
                  venue={venue}
                  kinds={common.kinds}
                  limit={common.stale_after_ms}
                  cuts={common.disconnects.find((notice) => notice.venue === venue.venue)?.count ?? 0}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

/** Kinds with a column of their own; the sum holds them all. */
const SHOWN_KINDS = ['trade', 'quote', 'book', 'mark'];

function FeedRow(props: { venue: VenueHealth; kinds: readonly string[]; limit: number; cuts: number }) {
  const { venue } = props;
  const stale = useStale(venue.last_ms, props.limit);
  return (
    <tr class={stale ? 'is-stale' : ''} data-venue={venue.venue}>
      <th scope="row">{venue.venue}</th>
      <td>{stale ? <State kind="bad">stale</State> : <State kind="ok">live</State>}</td>
      <td class="right number">{compact(venue.per_second)}</td>
      {SHOWN_KINDS.map((kind) => (
        <td class="right number dim wide" key={kind}>
          {compact(venue.by_kind[props.kinds.indexOf(kind)] ?? 0)}
        </td>
      ))}
      <td class="right number wide">
        {venue.connections_live} of {venue.connections}
      </td>
      <td class="right number wide">{grouped(props.cuts)}</td>
      <td class="right">
        <Age at={venue.last_ms} limit={props.limit} what="The last event" />
      </td>
    </tr>
  );
}

export const GapPanel = memo(function GapPanel(props: { polled: Polled<GapAnswer> }) {
  const { answer, at_ms, problem } = props.polled;
  return (
    <Panel
      id="gaps"
      title="Gaps"
      at={at_ms}
      limit={15_000}
      problem={problem}
      note={answer === null ? null : `${answer.open} open, newest first`}
    >
      {answer === null ? (
        <Empty>
          {problem === null ? 'Asking the warehouse…' : 'Not known while the warehouse does not answer.'}
        </Empty>
      ) : answer.gaps.length === 0 ? (
        <Empty>The ledger holds no gap: nothing is known to be missing.</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Gap ledger, scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">Where</th>
                <th scope="col">Cause</th>
                <th scope="col">From, UTC</th>
                <th scope="col" class="right">
                  Extent
                </th>
                <th scope="col" class="right">
                  Missing
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.gaps.map((gap) => (
                <tr
                  key={`${gap.venue}${gap.instrument}${gap.kind}${gap.from_ms}${gap.detail}`}
                  title={gap.detail}
                >
                  <td>
                    {gap.to_ms === null ? (
                      <State kind="bad">lasting</State>
                    ) : (
                      <State kind="warn">not filled</State>
                    )}
                  </td>
                  <th scope="row">
                    {gap.instrument === '' ? 'whole venue' : gap.instrument}{' '}
                    <small>
                      {gap.venue}
                      {gap.kind === '' ? '' : ` · ${gap.kind}`}
                    </small>
                  </th>
                  <td>{gap.cause}</td>
                  <td class="number">{gap.from_ms === null ? 'unknown' : moment(gap.from_ms)}</td>
                  <td class="right number">
                    {gap.to_ms === null
                      ? 'unknown'
                      : gap.from_ms === null
                        ? 'unknown'
                        : age(gap.to_ms - gap.from_ms)}
                  </td>
                  <td class="right number">{gap.missing === null ? 'unknown' : grouped(gap.missing)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
});

export const QuarantinePanel = memo(function QuarantinePanel(props: { polled: Polled<QuarantineAnswer> }) {
  const { answer, at_ms, problem } = props.polled;
  return (
    <Panel
      id="quarantine"
      title="Suspect and quarantined"
      at={at_ms}
      limit={15_000}
      problem={problem}
      note={answer === null ? null : `last ${answer.hours} h`}
    >
      {answer === null ? (
        <Empty>
          {problem === null ? 'Asking the warehouse…' : 'Not known while the warehouse does not answer.'}
        </Empty>
      ) : answer.rows.length === 0 ? (
        <Empty>
          No frame was refused; no crossed book, no time running backwards, no unknown instrument.
        </Empty>
      ) : (
        <div
          class="scroll"
          tabIndex={0}
          role="region"
          aria-label="Suspect values and refused frames, scrolls"
        >
          <table>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">Venue</th>
                <th scope="col" class="right">
                  Times
                </th>
                <th scope="col" class="right">
                  Age
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.rows.map((row) => (
                <tr key={`${row.kind}${row.venue}${row.cause}`} title={row.detail}>
                  <th scope="row">
                    <State kind={row.kind === 'quarantine' ? 'bad' : 'warn'}>
                      {row.cause.replaceAll('_', ' ')}
                    </State>
                    <small>{row.kind === 'quarantine' ? 'refused' : 'suspect'}</small>
                  </th>
                  <td>{row.venue}</td>
                  <td class="right number">{grouped(row.count)}</td>
                  <td class="right number">{age(answer.now_ms - row.last_ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
});

export const ServicePanel = memo(function ServicePanel(props: { polled: Polled<PlatformAnswer> }) {
  const { answer, at_ms, problem } = props.polled;
  const services = answer?.services ?? null;
  return (
    <Panel id="services" title="Services" at={at_ms} limit={10_000} problem={problem}>
      {answer === null ? (
        <Empty>Asking the console…</Empty>
      ) : services === null ? (
        <Empty>{answer.services_problem ?? 'The supervisor is not known to this console.'}</Empty>
      ) : (
        <ul class="services">
          {services.map((service) => (
            <li key={service.name} title={service.detail}>
              <State kind={service.healthy ? 'ok' : service.state === 'starting' ? 'warn' : 'bad'}>
                {service.name}
              </State>
              <span class="dim">
                {service.state}
                {service.restarts > 0 ? ` · restarted ${service.restarts}×` : ''}
                {service.since_ms === null ? '' : ` · ${age(answer.now_ms - service.since_ms)}`}
              </span>
            </li>
          ))}
        </ul>
      )}
      {answer === null ? null : (
        <ul class="services">
          <li>
            <State kind={answer.bus.ok ? 'ok' : 'bad'}>hot path</State>
            <span class="dim">{answer.bus.detail}</span>
          </li>
          <li>
            <State kind={answer.warehouse.ok ? 'ok' : 'bad'}>warehouse</State>
            <span class="dim">{answer.warehouse.detail}</span>
          </li>
        </ul>
      )}
    </Panel>
  );
});
