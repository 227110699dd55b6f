import { numbers, texts } from '../../panels/columns.js';
import type { Address } from '../data/address.js';
import { serverNow, useTick } from '../data/clock.js';
import { type Key, keyText } from '../data/live.js';
import type { PanelAnswer } from '../data/panel.js';
import type { Polled } from '../data/poll.js';
import { interval, percent, until } from '../format.js';
import { Tools } from './chartpanel.js';
import { Grid, type GridColumn } from './grid.js';
import { Age, Empty, Panel } from './panel.js';

interface Row extends Key {
  rate: number | null;
  interval: number | null;
  source: string;
  apr: number | null;
  refused: string;
  settles: number | null;
  at: number | null;
}

const COLUMNS: readonly GridColumn<Row>[] = [
  {
    name: 'Instrument',
    by: (row) => row.instrument,
    cell: (row) => (
      <>
        {row.instrument} <small>{row.venue}</small>
      </>
    ),
  },
  {
    name: 'Rate',
    right: true,
    by: (row) => row.rate,
    cell: (row) => (row.rate === null ? <span class="why">unknown</span> : percent(row.rate, 4)),
  },
  {
    name: 'per',
    right: true,
    wide: true,
    by: (row) => row.interval,
    cell: (row) =>
      row.interval === null ? (
        <span class="why">unknown</span>
      ) : (
        <span title={`known from: ${row.source}`}>{interval(row.interval)}</span>
      ),
  },
  {
    name: 'APR',
    right: true,
    by: (row) => (row.refused === '' ? row.apr : null),
    cell: (row) =>
      row.apr === null || row.refused !== '' ? (
        <span class="why">{row.refused || 'unknown'}</span>
      ) : (
        percent(row.apr, 2)
      ),
  },
  { name: 'Settles', right: true, by: (row) => row.settles, cell: (row) => <Until at={row.settles} /> },
  {
    name: 'Age',
    right: true,
    wide: true,
    by: (row) => row.at,
    cell: (row) => <Age at={row.at} limit={900_000} what="The rate" />,
  },
];

function Until(props: { at: number | null }) {
  useTick(1_000);
  return props.at === null ? (
    <span class="why">unknown</span>
  ) : (
    <span class="number">{until(props.at - serverNow())}</span>
  );
}

/** Every rate with the time left until it is charged. */
export function Countdown(props: {
  polled: Polled<PanelAnswer>;
  address: Address;
  chosen: Key | null;
  onChoose: (key: Key) => void;
}) {
  const { answer, at_ms, problem } = props.polled;
  const columns = answer?.answer.data ?? {};
  const [venue, instrument, source, refused] = ['venue', 'instrument', 'interval_source', 'refused'].map(
    (name) => texts(columns, name),
  );
  const [rate, seconds, apr, settles, at] = ['rate', 'interval_seconds', 'apr', 'settles_ms', 'recv_ms'].map(
    (name) => numbers(columns, name),
  );
  const rows: Row[] = (venue ?? []).map((name, row) => ({
    venue: name,
    instrument: instrument?.[row] ?? '',
    rate: rate?.[row] ?? null,
    interval: seconds?.[row] ?? null,
    source: source?.[row] ?? '',
    apr: apr?.[row] ?? null,
    refused: refused?.[row] ?? '',
    settles: settles?.[row] ?? null,
    at: at?.[row] ?? null,
  }));
  rows.sort(
    (left, right) =>
      Math.abs(right.refused === '' ? (right.apr ?? 0) : 0) -
      Math.abs(left.refused === '' ? (left.apr ?? 0) : 0),
  );
  return (
    <Panel
      id="countdown"
      title="Rates and countdown"
      at={at_ms}
      limit={15_000}
      problem={problem}
      note="positive: longs pay shorts"
      actions={<Tools panel="funding_heat" title="the rates" address={props.address} />}
    >
      {rows.length === 0 ? (
        <Empty>
          {answer === null ? 'Asking the warehouse…' : 'No funding rate had been received by then.'}
        </Empty>
      ) : (
        <Grid
          label="Funding rates"
          columns={COLUMNS}
          rows={rows}
          keyOf={keyText}
          chosen={props.chosen === null ? null : keyText(props.chosen)}
          onChoose={(row) => props.onChoose({ venue: row.venue, instrument: row.instrument })}
        />
      )}
    </Panel>
  );
}
