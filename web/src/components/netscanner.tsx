import { useMemo, useState } from 'preact/hooks';
import { numbers, texts } from '../../panels/columns.js';
import type { Address } from '../data/address.js';
import { type Key, keyText } from '../data/live.js';
import { panelPath, usePanel } from '../data/panel.js';
import { compact, signed } from '../format.js';
import { everyMs, Tools } from './chartpanel.js';
import { Grid, type GridColumn } from './grid.js';
import { Age, Empty, Panel } from './panel.js';

interface Row extends Key {
  spot: string;
  basis: number | null;
  executable: number | null;
  fees: number | null;
  net: number | null;
  depth: number | null;
  currency: string;
  direction: string;
  z: number | null;
  coverage: number | null;
  at: number | null;
}

function rowsOf(columns: Record<string, readonly unknown[]>): Row[] {
  const text = (name: string) => texts(columns, name);
  const number = (name: string) => numbers(columns, name);
  const [venue, instrument, spot, direction, currency] = [
    'venue',
    'instrument',
    'spot_instrument',
    'direction',
    'value_currency',
  ].map(text);
  const [basis, sell, buy, fees, net, depth, z, coverage, at] = [
    'basis_bps',
    'sell_bps',
    'buy_bps',
    'fees_bps',
    'net_bps',
    'depth_value',
    'z',
    'coverage',
    'recv_ms',
  ].map(number);
  const best = (row: number) => {
    const sides = [sell?.[row], buy?.[row]].filter((value) => typeof value === 'number');
    return sides.length === 0 ? null : Math.max(...sides);
  };
  return (venue ?? []).map((name, row) => ({
    venue: name,
    instrument: instrument?.[row] ?? '',
    spot: spot?.[row] ?? '',
    basis: basis?.[row] ?? null,
    executable: best(row),
    fees: fees?.[row] ?? null,
    net: net?.[row] ?? null,
    depth: depth?.[row] ?? null,
    currency: currency?.[row] ?? '',
    direction: direction?.[row] ?? '',
    z: z?.[row] ?? null,
    coverage: coverage?.[row] ?? null,
    at: at?.[row] ?? null,
  }));
}

const unknown = <span class="why">unknown</span>;
const bp = (value: number | null) => (value === null ? unknown : signed(value, 2));

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
  { name: 'Net, bp', right: true, by: (row) => row.net, cell: (row) => <strong>{bp(row.net)}</strong> },
  {
    name: 'Do',
    by: (row) => row.direction,
    cell: (row) => (row.direction === 'sell' ? 'sell perp, buy spot' : 'buy perp, sell spot'),
    wide: true,
  },
  { name: 'Basis, bp', right: true, by: (row) => row.basis, cell: (row) => bp(row.basis) },
  {
    name: 'At best prices',
    right: true,
    wide: true,
    by: (row) => row.executable,
    cell: (row) => bp(row.executable),
  },
  {
    name: 'Fees',
    right: true,
    wide: true,
    by: (row) => row.fees,
    cell: (row) => (row.fees === null ? unknown : row.fees.toFixed(1)),
  },
  {
    name: 'Depth there',
    right: true,
    by: (row) => row.depth,
    cell: (row) => (row.depth === null ? unknown : `${compact(row.depth)} ${row.currency}`),
  },
  {
    name: 'z, 1 h',
    right: true,
    by: (row) => row.z,
    cell: (row) => (row.z === null ? unknown : signed(row.z, 1)),
  },
  {
    name: 'Coverage',
    right: true,
    wide: true,
    by: (row) => row.coverage,
    cell: (row) => (row.coverage === null ? unknown : `${(row.coverage * 100).toFixed(0)} %`),
  },
  {
    name: 'Age',
    right: true,
    by: (row) => row.at,
    cell: (row) => <Age at={row.at} limit={10_000} what="The older quote" />,
  },
];

/** Every perpetual against spot, ranked by what is left after crossing both spreads and paying both fees. */
export function NetScanner(props: { address: Address; chosen: Key | null; onChoose: (key: Key) => void }) {
  const { address, chosen } = props;
  const [filter, setFilter] = useState('');
  const polled = usePanel(panelPath('basis_scanner', address), everyMs(address));
  const data = polled.answer?.answer.data ?? null;
  const rows = useMemo(() => (data === null ? [] : rowsOf(data)), [data]);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = rows.filter((row) => words.every((word) => keyText(row).toLowerCase().includes(word)));
  return (
    <Panel
      id="basis_scanner"
      title="Scanner, net of costs"
      at={polled.at_ms}
      limit={15_000}
      problem={polled.problem}
      note={`${fitting.length} of ${rows.length} pairs; one way in, as taker, at the best prices`}
      actions={
        <>
          <label class="field">
            <span class="hidden">Filter by venue or instrument</span>
            <input
              type="search"
              placeholder="filter  ( / )"
              value={filter}
              onInput={(event) => setFilter(event.currentTarget.value)}
            />
          </label>
          <Tools panel="basis_scanner" title="the scanner" address={address} />
        </>
      }
    >
      {rows.length === 0 ? (
        <Empty>
          {data === null
            ? polled.problem === null
              ? 'Asking the warehouse…'
              : 'Not known while the warehouse does not answer.'
            : 'No perpetual has a spot market of the same exchange, underlying and quote currency yet.'}
        </Empty>
      ) : (
        <Grid
          label="Basis of all perpetuals, net of costs"
          columns={COLUMNS}
          rows={fitting}
          keyOf={keyText}
          chosen={chosen === null ? null : keyText(chosen)}
          onChoose={(row) => props.onChoose({ venue: row.venue, instrument: row.instrument })}
        />
      )}
    </Panel>
  );
}
