import { numbers, texts } from '../../panels/columns.js';
import { coverageCalendar } from '../../panels/coverage_calendar.js';
import { ChartPanel, everyMs, Tools } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { Grid, type GridColumn } from '../components/grid.js';
import { QuarantinePanel } from '../components/operations.js';
import { Empty, Panel, State } from '../components/panel.js';
import type { Address } from '../data/address.js';
import { panelPath, usePanel } from '../data/panel.js';
import { usePoll } from '../data/poll.js';
import type { QuarantineAnswer } from '../data/types.js';
import { age, grouped, moment } from '../format.js';
import type { PageProps } from './page.js';

const MONTH_S = 2_592_000;
const COVERAGE_MS = 60_000;

/** What is missing, what was refused, and the proof that nothing else is. */
export default function Quality(props: PageProps) {
  const { go, theme } = props;
  const address = { ...props.address, range: Math.max(props.address.range, MONTH_S), known: null };
  // A month of the loader's books is read for it, and a minute changes little of a day.
  const coverage = usePanel(panelPath(coverageCalendar.id, address), COVERAGE_MS);
  const quarantine = usePoll<QuarantineAnswer>('/api/v1/quarantine', 5_000);
  return (
    <>
      <Controls address={address} go={go} list={props.list} instrument={false} range known={false} />
      <div class="grid">
        <ChartPanel
          spec={coverageCalendar}
          address={address}
          theme={theme}
          more={{}}
          polled={coverage}
          ageLimit={3 * COVERAGE_MS}
        />
        <Ledger address={address} />
        <AuditPanel address={address} />
        <QuarantinePanel polled={quarantine} />
      </div>
    </>
  );
}

interface LedgerRow {
  key: string;
  where: string;
  venue: string;
  kind: string;
  cause: string;
  state: string;
  reason: string;
  from: number | null;
  to: number | null;
  missing: number | null;
  inserted: number | null;
}

const LEDGER: readonly GridColumn<LedgerRow>[] = [
  {
    name: 'Where',
    by: (row) => row.where,
    cell: (row) => (
      <>
        {row.where === '' ? 'whole venue' : row.where} <small>{`${row.venue} ${row.kind}`}</small>
      </>
    ),
  },
  {
    name: 'State',
    by: (row) => row.state,
    cell: (row) => (
      <State kind={row.state === 'filled' ? 'ok' : row.state === 'open' ? 'bad' : 'idle'}>{row.state}</State>
    ),
  },
  { name: 'Cause', by: (row) => row.cause, cell: (row) => row.cause },
  {
    name: 'From, UTC',
    by: (row) => row.from,
    cell: (row) => (row.from === null ? 'unknown' : moment(row.from)),
  },
  {
    name: 'Extent',
    right: true,
    by: (row) => (row.from === null || row.to === null ? null : row.to - row.from),
    cell: (row) => (row.from === null || row.to === null ? 'unknown' : age(row.to - row.from)),
  },
  {
    name: 'Missing',
    right: true,
    by: (row) => row.missing,
    cell: (row) => (row.missing === null ? 'unknown' : grouped(row.missing)),
  },
  {
    name: 'Filled in',
    right: true,
    wide: true,
    by: (row) => row.inserted,
    cell: (row) => grouped(row.inserted ?? 0),
  },
  { name: 'Why', wide: true, cell: (row) => <span class="dim">{row.reason}</span> },
];

/** Every gap that a feed announced, and what became of it. */
function Ledger(props: { address: Address }) {
  const polled = usePanel(panelPath('gap_ledger', props.address), 5_000);
  const columns = polled.answer?.answer.data ?? null;
  const text = (name: string) => (columns === null ? [] : texts(columns, name));
  const number = (name: string) => (columns === null ? [] : numbers(columns, name));
  const [where, venue, kind, cause, state, reason] = [
    'instrument',
    'venue',
    'kind',
    'cause',
    'state',
    'reason',
  ].map(text);
  const [announced, from, to, missing, inserted] = [
    'announced_ms',
    'begins_ms',
    'ends_ms',
    'missing',
    'inserted',
  ].map(number);
  const rows: LedgerRow[] = (venue ?? []).map((name, row) => ({
    key: `${name} ${where?.[row]} ${kind?.[row]} ${announced?.[row]} ${row}`,
    where: where?.[row] ?? '',
    venue: name,
    kind: kind?.[row] ?? '',
    cause: cause?.[row] ?? '',
    state: state?.[row] ?? '',
    reason: reason?.[row] ?? '',
    from: from?.[row] ?? null,
    to: to?.[row] ?? null,
    missing: missing?.[row] ?? null,
    inserted: inserted?.[row] ?? null,
  }));
  const open = rows.filter((row) => row.state === 'open').length;
  return (
    <Panel
      id="ledger"
      title="Gap ledger"
      at={polled.at_ms}
      limit={15_000}
      problem={polled.problem}
      note={columns === null ? null : `${open} open of ${rows.length}; unknown is not zero`}
      actions={<Tools panel="gap_ledger" title="the gap ledger" address={props.address} />}
    >
      {rows.length === 0 ? (
        <Empty>
          {columns === null
            ? 'Asking the warehouse…'
            : 'The ledger holds no gap: nothing is known to be missing.'}
        </Empty>
      ) : (
        <Grid
          label="Gap ledger"
          columns={LEDGER}
          rows={rows}
          keyOf={(row) => row.key}
          chosen={null}
          onChoose={() => {}}
        />
      )}
    </Panel>
  );
}

/** Results of the audits: accepted against landed, by counters. */
export function AuditPanel(props: { address: Address; often?: boolean }) {
  const polled = usePanel(
    panelPath('audit_history', props.address),
    props.often ? 1_000 : everyMs(props.address),
  );
  const columns = polled.answer?.answer.data ?? null;
  const at = columns === null ? [] : numbers(columns, 'at_ms');
  const column = (name: string) => (columns === null ? [] : numbers(columns, name));
  const [accepted, landed, lost, duplicated, gaps] = ['accepted', 'landed', 'lost', 'duplicated', 'gaps'].map(
    column,
  );
  const count = (values: (number | null)[] | undefined, row: number) => grouped(values?.[row] ?? 0);
  return (
    <Panel
      id="audit"
      title="Audit"
      at={at[0] ?? null}
      limit={86_400_000}
      problem={polled.problem}
      note="accepted against landed, by counters; newest first"
      actions={<Tools panel="audit_history" title="the audits" address={props.address} />}
    >
      {at.length === 0 ? (
        <Empty>
          {columns === null ? 'Asking the warehouse…' : 'No audit has been made yet: run `kt audit`.'}
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Audits, scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">When, UTC</th>
                <th scope="col">Lost / duplicated</th>
                <th scope="col" class="right">
                  Accepted
                </th>
                <th scope="col" class="right wide">
                  Landed
                </th>
                <th scope="col" class="right">
                  Open gaps
                </th>
              </tr>
            </thead>
            <tbody>
              {at.slice(0, 20).map((moment_ms, row) => {
                const whole = (lost?.[row] ?? 0) + (duplicated?.[row] ?? 0) === 0;
                return (
                  <tr key={moment_ms}>
                    <th scope="row">{moment_ms === null ? 'unknown' : moment(moment_ms)}</th>
                    <td class="number">
                      <State kind={whole ? 'ok' : 'bad'}>
                        {count(lost, row)} / {count(duplicated, row)}
                      </State>
                    </td>
                    <td class="right number">{count(accepted, row)}</td>
                    <td class="right number wide">{count(landed, row)}</td>
                    <td class="right number">{count(gaps, row)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
