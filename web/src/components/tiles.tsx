import type { ComponentChildren } from 'preact';
import type { Live } from '../data/live.js';
import type { Polled } from '../data/poll.js';
import type { GapAnswer, QuarantineAnswer, Second } from '../data/types.js';
import { compact, delay } from '../format.js';
import { Spark } from './chart.js';
import { Age, useStale } from './panel.js';

function Tile(props: {
  name: string;
  at: number | null;
  limit: number;
  value: ComponentChildren;
  detail: ComponentChildren;
  spark?: readonly (number | null)[];
  alarm?: boolean;
}) {
  const stale = useStale(props.at, props.limit);
  return (
    <div
      class={`tile${stale ? ' is-stale' : ''}${props.alarm ? ' alarm' : ''}`}
      role="group"
      aria-label={props.name}
    >
      <div class="tile-head">
        <span class="tile-name">{props.name}</span>
        <Age at={props.at} limit={props.limit} what={props.name} />
      </div>
      <div class="tile-value number">{props.value}</div>
      <div class="tile-detail">{props.detail}</div>
      {props.spark ? <Spark values={props.spark} label={`${props.name} over the last minute`} /> : null}
    </div>
  );
}

const LIMIT = 3_000;

/** The middle of the probes that ended in the seconds given. */
export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((left, right) => left - right);
  return known[Math.floor(known.length / 2)] ?? null;
}

/** The value that 99 of 100 do not exceed. */
export function p99(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((left, right) => left - right);
  return known[Math.min(known.length - 1, Math.ceil(known.length * 0.99) - 1)] ?? null;
}

export function Tiles(props: {
  live: Live;
  seconds: readonly Second[];
  gaps: Polled<GapAnswer>;
  quarantine: Polled<QuarantineAnswer>;
}) {
  const minute = props.seconds.slice(-60);
  const last = props.seconds.at(-1) ?? null;
  const common = props.live.message?.common ?? null;
  const at = last === null ? null : last.at_ms + 1000;
  const sum = (second: Second) => second.by_kind.reduce((total, count) => total + count, 0);
  const landedAt = props.seconds.findLast((second) => second.landed !== null);
  const probes = minute.map((second) => second.queryable_ms);
  const probeAt = props.seconds.findLast((second) => second.queryable_ms !== null);
  const noticed = props.quarantine.answer?.rows ?? null;
  const count = (kind: string) =>
    noticed?.filter((row) => row.kind === kind).reduce((n, row) => n + row.count, 0);
  return (
    <div class="tiles">
      <Tile
        name="Events in"
        at={at}
        limit={LIMIT}
        value={
          last === null ? (
            '–'
          ) : (
            <>
              {compact(sum(last))}
              <small>/s</small>
            </>
          )
        }
        detail={
          common === null
            ? 'waiting for the hot path'
            : `${compact(common.totals.events)} in all · ${compact(common.totals.missed)} missed`
        }
        spark={minute.map(sum)}
        alarm={(common?.totals.missed ?? 0) > 0}
      />
      <Tile
        name="Rows landed"
        at={landedAt === undefined ? null : landedAt.at_ms + 1000}
        limit={LIMIT + 2_000}
        value={
          landedAt?.landed == null ? (
            '–'
          ) : (
            <>
              {compact(landedAt.landed)}
              <small>/s</small>
            </>
          )
        }
        detail={landedAt === undefined ? 'the loader has not written yet' : 'rows made queryable'}
        spark={minute.map((second) => second.landed)}
      />
      <Tile
        name="Receive → hot path"
        at={at}
        limit={LIMIT}
        value={last?.lag_p50_us == null ? '–' : delay(last.lag_p50_us)}
        detail={
          last?.lag_p99_us == null
            ? 'no event in the last second'
            : `p99 ${delay(last.lag_p99_us)} · max ${delay(last.lag_max_us ?? 0)}`
        }
        spark={minute.map((second) => second.lag_p50_us)}
      />
      <Tile
        name="Receive → queryable"
        at={probeAt === undefined ? null : probeAt.at_ms + 1000}
        limit={10_000}
        value={median(probes) === null ? '–' : delay((median(probes) ?? 0) * 1000)}
        detail={
          p99(probes) === null
            ? 'no probed row has landed in the last minute'
            : `p99 ${delay((p99(probes) ?? 0) * 1000)} of probed rows`
        }
        spark={probes.filter((value) => value !== null)}
      />
      <Tile
        name="Gaps open"
        at={props.gaps.at_ms}
        limit={15_000}
        value={props.gaps.answer === null ? '–' : compact(props.gaps.answer.open)}
        detail={
          props.gaps.answer === null
            ? 'not asked yet'
            : props.gaps.answer.open === 0
              ? 'nothing is known to be missing'
              : 'known to be missing, not filled'
        }
        alarm={(props.gaps.answer?.open ?? 0) > 0}
      />
      <Tile
        name="Suspect · quarantined"
        at={props.quarantine.at_ms}
        limit={15_000}
        value={
          noticed === null ? (
            '–'
          ) : (
            <>
              {compact(count('suspect') ?? 0)} · {compact(count('quarantine') ?? 0)}
            </>
          )
        }
        detail={
          noticed === null
            ? 'not asked yet'
            : noticed.length === 0
              ? 'nothing refused, nothing odd'
              : `${noticed.length} causes`
        }
        alarm={(noticed?.length ?? 0) > 0}
      />
    </div>
  );
}
