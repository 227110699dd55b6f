import { memo } from 'preact/compat';
import { useMemo, useRef, useState } from 'preact/hooks';
import { type Key, keyText } from '../data/live.js';
import type { Polled } from '../data/poll.js';
import type { Basis, Funding, Scanner } from '../data/types.js';
import { age, interval, percent, signed, until } from '../format.js';
import { Age, Empty, Panel } from './panel.js';

export interface ScannerRow extends Key {
  basis: Basis | null;
  funding: Funding | null;
  trading: boolean | null;
}

export type SortKey = 'instrument' | 'basis' | 'rate' | 'apr' | 'interval' | 'settles';
export interface Sort {
  by: SortKey;
  descending: boolean;
}

const FUNDING_LIMIT_MS = 900_000;

/** What a row is ranked by; null always sorts last, for what is not known ranks nowhere. */
function rank(row: ScannerRow, by: SortKey): number | string | null {
  switch (by) {
    case 'instrument':
      return row.instrument;
    case 'basis':
      return row.basis === null || row.basis.stale ? null : row.basis.bps;
    case 'rate':
      return row.funding?.rate ?? null;
    case 'apr':
      return row.funding?.apr ?? null;
    case 'interval':
      return row.funding?.interval_seconds ?? null;
    case 'settles':
      return row.funding?.settles_in_ms ?? null;
  }
}

/** Rows that fit the filter (every word must occur), in order. */
export function arrange(rows: readonly ScannerRow[], filter: string, sort: Sort): ScannerRow[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const fits = (row: ScannerRow) => {
    const text = `${row.venue} ${row.instrument}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const direction = sort.descending ? -1 : 1;
  return rows.filter(fits).sort((left, right) => {
    const [a, b] = [rank(left, sort.by), rank(right, sort.by)];
    if (a === null || b === null)
      return Number(a === null) - Number(b === null) || keyText(left).localeCompare(keyText(right));
    const order = typeof a === 'string' ? a.localeCompare(String(b)) : a - Number(b);
    return order * direction || keyText(left).localeCompare(keyText(right));
  });
}

export function rowsOf(answer: Scanner | null): ScannerRow[] {
  return (answer?.venue ?? []).map((venue, row) => ({
    venue,
    instrument: answer?.instrument[row] ?? '',
    basis: answer?.basis[row] ?? null,
    funding: answer?.funding[row] ?? null,
    trading: answer?.trading[row] ?? null,
  }));
}

const COLUMNS: [SortKey | null, string, string][] = [
  ['instrument', 'Perpetual', ''],
  ['basis', 'Basis, bp', 'right'],
  [null, 'Against', 'wide'],
  ['rate', 'Funding', 'right'],
  ['interval', 'Interval', 'right wide'],
  ['apr', 'Funding APR', 'right'],
  ['settles', 'Settles', 'right'],
];

const FIRST_ROWS = 40;

export const ScannerPanel = memo(function ScannerPanel(props: {
  polled: Polled<Scanner>;
  chosen: Key | null;
  onChoose: (key: Key) => void;
}) {
  const [filter, setFilter] = useState('');
  const [sort, setSort] = useState<Sort>({ by: 'basis', descending: true });
  const [all, setAll] = useState(false);
  const [active, setActive] = useState<string | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const answer = props.polled.answer;
  const rows = useMemo(() => arrange(rowsOf(answer), filter, sort), [answer, filter, sort]);
  const shown = all ? rows : rows.slice(0, FIRST_ROWS);
  const current = shown.some((row) => keyText(row) === active) ? active : shown[0] ? keyText(shown[0]) : null;

  const move = (event: KeyboardEvent) => {
    const at = shown.findIndex((row) => keyText(row) === current);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 10,
      PageUp: -10,
      Home: -shown.length,
      End: shown.length,
    };
    const step = steps[event.key];
    const row = shown[at];
    if (event.key === 'Enter' && row) return props.onChoose(row);
    if (step === undefined) return;
    event.preventDefault();
    const target = Math.min(Math.max(at + step, 0), shown.length - 1);
    const next = shown[target];
    if (!next) return;
    setActive(keyText(next));
    (body.current?.rows[target] as HTMLElement | undefined)?.focus();
  };

  return (
    <Panel
      id="scanner"
      title="Basis and funding"
      at={answer === null ? null : answer.now_ms}
      limit={5_000}
      problem={props.polled.problem}
      note={`${rows.length} of ${answer?.venue.length ?? 0} perpetuals · ↑ ↓ moves, Enter opens`}
      actions={
        <label class="field">
          <span class="hidden">Filter by venue or instrument</span>
          <input
            id="scanner-filter"
            type="search"
            placeholder="filter  ( / )"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
      }
    >
      {rows.length === 0 ? (
        <Empty>
          {filter === ''
            ? 'No perpetual has sent an event yet.'
            : `No perpetual fits “${filter}”. Clear the filter to see all.`}
        </Empty>
      ) : (
        <div class="scroll">
          <table role="grid" aria-label="Basis and funding of all perpetuals" aria-rowcount={rows.length}>
            <thead>
              <tr>
                {COLUMNS.map(([by, name, side]) => (
                  <Heading key={name} by={by} name={name} side={side} sort={sort} onSort={setSort} />
                ))}
              </tr>
            </thead>
            <tbody ref={body} onKeyDown={move}>
              {shown.map((row) => (
                <Row
                  key={keyText(row)}
                  row={row}
                  at={answer?.now_ms ?? 0}
                  reachable={keyText(row) === current}
                  chosen={props.chosen !== null && keyText(row) === keyText(props.chosen)}
                  onFocus={() => setActive(keyText(row))}
                  onChoose={() => props.onChoose(row)}
                />
              ))}
            </tbody>
          </table>
          {shown.length < rows.length ? (
            <button type="button" class="more" onClick={() => setAll(true)}>
              Show all {rows.length}
            </button>
          ) : null}
        </div>
      )}
    </Panel>
  );
});

function Heading(props: {
  by: SortKey | null;
  name: string;
  side: string;
  sort: Sort;
  onSort: (sort: Sort) => void;
}) {
  const { by, sort } = props;
  if (by === null)
    return (
      <th scope="col" class={props.side}>
        {props.name}
      </th>
    );
  const sorted = sort.by === by;
  const direction = sorted ? (sort.descending ? 'descending' : 'ascending') : 'none';
  return (
    <th scope="col" class={props.side} aria-sort={direction}>
      <button
        type="button"
        class="sort"
        onClick={() => props.onSort({ by, descending: sorted ? !sort.descending : by !== 'instrument' })}
      >
        {props.name} <span aria-hidden="true">{sorted ? (sort.descending ? '▼' : '▲') : '↕'}</span>
      </button>
    </th>
  );
}

function Row(props: {
  row: ScannerRow;
  at: number;
  reachable: boolean;
  chosen: boolean;
  onFocus: () => void;
  onChoose: () => void;
}) {
  const { basis, funding } = props.row;
  const oldFunding = funding !== null && funding.age_ms > FUNDING_LIMIT_MS;
  return (
    <tr
      class={props.chosen ? 'chosen' : ''}
      tabIndex={props.reachable ? 0 : -1}
      aria-selected={props.chosen}
      onFocus={props.onFocus}
      onClick={props.onChoose}
    >
      <th scope="row">
        {props.row.instrument} <small>{props.row.venue}</small>
        {props.row.trading === false ? <span class="why"> not trading</span> : null}
      </th>
      <td class={`right number ${basis?.stale ? 'is-stale' : ''}`}>
        {basis === null ? <span class="why">no pair yet</span> : signed(basis.bps, 2)}{' '}
        {basis === null ? null : <Age at={props.at - basis.age_ms} limit={10_000} what="The basis" />}
      </td>
      <td class="dim wide">
        {basis === null ? '–' : basis.reference === 'spot' ? `${basis.reference_instrument}` : 'index'}
      </td>
      <td class={`right number ${oldFunding ? 'is-stale' : ''}`}>
        {funding === null ? <span class="why">no rate yet</span> : percent(funding.rate, 4)}{' '}
        {funding === null ? null : (
          <Age at={props.at - funding.age_ms} limit={FUNDING_LIMIT_MS} what="The rate" />
        )}
      </td>
      <td class="right wide">
        {funding === null ? (
          '–'
        ) : funding.interval_seconds === null ? (
          <span class="why">unknown</span>
        ) : (
          interval(funding.interval_seconds)
        )}
      </td>
      <td class="right number">
        {funding === null ? (
          '–'
        ) : funding.apr !== null ? (
          percent(funding.apr, 2)
        ) : (
          <span class="why">{funding.refused}</span>
        )}
      </td>
      <td
        class="right number dim"
        title={funding?.settles_in_ms != null ? age(Math.abs(funding.settles_in_ms)) : ''}
      >
        {funding?.settles_in_ms == null ? '–' : until(funding.settles_in_ms)}
      </td>
    </tr>
  );
}
