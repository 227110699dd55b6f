import { numbers, texts } from '../../panels/columns.js';
import { bytesText, storageTables } from '../../panels/storage_tables.js';
import { storageTiers } from '../../panels/storage_tiers.js';
import { ChartPanel, everyMs, Tools } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { CostPanel } from '../components/cost.js';
import { Grid, type GridColumn } from '../components/grid.js';
import { Empty, Panel } from '../components/panel.js';
import type { Address } from '../data/address.js';
import { type PanelAnswer, panelPath, usePanel } from '../data/panel.js';
import type { Polled } from '../data/poll.js';
import { compact } from '../format.js';
import type { PageProps } from './page.js';

/** What is held where, how well it packs, and what it costs. */
export default function Storage(props: PageProps) {
  const { go, theme } = props;
  const address = { ...props.address, known: null };
  const tables = usePanel(panelPath(storageTables.id, address), 10_000);
  return (
    <>
      <Controls address={address} go={go} list={props.list} instrument={false} range={false} known={false} />
      <div class="grid">
        <ChartPanel spec={storageTables} address={address} theme={theme} more={{}} polled={tables} />
        <Disks address={address} />
        <ChartPanel spec={storageTiers} address={address} theme={theme} more={{}} />
        <CostPanel />
        <Tables polled={tables} address={address} />
      </div>
    </>
  );
}

interface TableRow {
  name: string;
  disk: string;
  rows: number | null;
  bytes: number | null;
  ratio: number | null;
  perRow: number | null;
  parts: number | null;
}

const COLUMNS: readonly GridColumn<TableRow>[] = [
  { name: 'Table', by: (row) => row.name, cell: (row) => row.name },
  { name: 'Disk', by: (row) => row.disk, cell: (row) => row.disk },
  { name: 'Rows', right: true, by: (row) => row.rows, cell: (row) => compact(row.rows ?? 0) },
  { name: 'On disk', right: true, by: (row) => row.bytes, cell: (row) => bytesText(row.bytes ?? 0) },
  {
    name: 'Packed',
    right: true,
    wide: true,
    by: (row) => row.ratio,
    cell: (row) => (row.ratio === null ? '–' : `${row.ratio.toFixed(1)} : 1`),
  },
  {
    name: 'Bytes a row',
    right: true,
    by: (row) => row.perRow,
    cell: (row) => (row.perRow === null ? '–' : row.perRow.toFixed(1)),
  },
  { name: 'Parts', right: true, wide: true, by: (row) => row.parts, cell: (row) => compact(row.parts ?? 0) },
];

function Tables(props: { polled: Polled<PanelAnswer>; address: Address }) {
  const { answer, at_ms, problem } = props.polled;
  const columns = answer?.answer.data ?? {};
  const [database, table, disk] = ['database', 'table', 'disk'].map((name) => texts(columns, name));
  const [rows, bytes, ratio, perRow, parts] = ['rows_held', 'bytes', 'ratio', 'bytes_per_row', 'parts'].map(
    (name) => numbers(columns, name),
  );
  const all: TableRow[] = (table ?? []).map((name, row) => ({
    name: `${database?.[row]}.${name}`,
    disk: disk?.[row] ?? '',
    rows: rows?.[row] ?? null,
    bytes: bytes?.[row] ?? null,
    ratio: ratio?.[row] ?? null,
    perRow: perRow?.[row] ?? null,
    parts: parts?.[row] ?? null,
  }));
  return (
    <Panel
      id="tables"
      title="Tables"
      at={at_ms}
      limit={30_000}
      problem={problem}
      actions={<Tools panel="storage_tables" title="the tables" address={props.address} />}
    >
      {all.length === 0 ? (
        <Empty>{answer === null ? 'Asking the warehouse…' : 'The warehouse holds nothing yet.'}</Empty>
      ) : (
        <Grid
          label="Tables of the warehouse"
          columns={COLUMNS}
          rows={all}
          keyOf={(row) => `${row.name} ${row.disk}`}
          chosen={null}
          onChoose={() => {}}
        />
      )}
    </Panel>
  );
}

function Disks(props: { address: Address }) {
  const polled = usePanel(panelPath('storage_disks', props.address), everyMs(props.address));
  const columns = polled.answer?.answer.data ?? {};
  const [name, type] = ['name', 'type'].map((column) => texts(columns, column));
  const [total, free, share] = ['total_space', 'free_space', 'free_share'].map((column) =>
    numbers(columns, column),
  );
  return (
    <Panel
      id="disks"
      title="Disks"
      at={polled.at_ms}
      limit={15_000}
      problem={polled.problem}
      actions={<Tools panel="storage_disks" title="the disks" address={props.address} />}
    >
      {(name ?? []).length === 0 ? (
        <Empty>Asking the warehouse…</Empty>
      ) : (
        <dl class="facts">
          {(name ?? []).map((disk, row) => {
            const known = (total?.[row] ?? 0) > 0 && (share?.[row] ?? null) !== null;
            return (
              <div key={disk}>
                <dt>
                  {disk} <small>{type?.[row]}</small>
                </dt>
                <dd>
                  {/* An object store states no size. */}
                  {known && (total?.[row] ?? 0) < 1e17 ? (
                    <>
                      <span class="number big">{bytesText(free?.[row] ?? 0)}</span> free of{' '}
                      {bytesText(total?.[row] ?? 0)}, {((share?.[row] ?? 0) * 100).toFixed(1)} %
                    </>
                  ) : (
                    'without a stated size'
                  )}
                </dd>
              </div>
            );
          })}
        </dl>
      )}
    </Panel>
  );
}
