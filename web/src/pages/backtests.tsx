import { backtestEquity } from '../../panels/backtest_equity.js';
import { numbers, texts } from '../../panels/columns.js';
import { ChartPanel, Tools } from '../components/chartpanel.js';
import { Grid, type GridColumn } from '../components/grid.js';
import { Empty, Panel, State } from '../components/panel.js';
import type { Address, Go } from '../data/address.js';
import { type PanelAnswer, panelPath, usePanel } from '../data/panel.js';
import { compact, moment, signed } from '../format.js';
import type { PageProps } from './page.js';

interface Run {
  run: string;
  made: number | null;
  source: string;
  strategy: string;
  partial: boolean;
  missing: string;
  fills: number | null;
  refused: number | null;
  currency: string;
  profit: number | null;
  drawdown: number | null;
}

function runsOf(answer: PanelAnswer | null): Run[] {
  const columns = answer?.answer.data ?? {};
  const [run, source, strategy, missing, currency] = ['run', 'source', 'strategy', 'missing', 'currency'].map(
    (name) => texts(columns, name),
  );
  const [made, fills, refused, profit, drawdown] = ['made_ms', 'fills', 'refused', 'profit', 'drawdown'].map(
    (name) => numbers(columns, name),
  );
  const partial = columns.partial ?? [];
  return (run ?? []).map((name, row) => ({
    run: name,
    made: made?.[row] ?? null,
    source: source?.[row] ?? '',
    strategy: strategy?.[row] ?? '',
    partial: partial[row] === true || partial[row] === 1,
    missing: missing?.[row] ?? '',
    fills: fills?.[row] ?? null,
    refused: refused?.[row] ?? null,
    currency: currency?.[row] ?? '',
    profit: profit?.[row] ?? null,
    drawdown: drawdown?.[row] ?? null,
  }));
}

function columnsFor(address: Address, go: Go): readonly GridColumn<Run>[] {
  return [
    { name: 'Run', by: (row) => row.run, cell: (row) => row.run.slice(0, 12) },
    { name: 'Made, UTC', by: (row) => row.made, cell: (row) => (row.made === null ? '–' : moment(row.made)) },
    {
      name: 'Strategy',
      wide: true,
      by: (row) => row.strategy,
      cell: (row) => `${row.strategy} · ${row.source}`,
    },
    {
      name: 'Data',
      by: (row) => Number(row.partial),
      cell: (row) => (
        <span title={row.missing}>
          <State kind={row.partial ? 'warn' : 'ok'}>{row.partial ? 'partial' : 'whole'}</State>
        </span>
      ),
    },
    {
      name: 'Fills',
      right: true,
      wide: true,
      by: (row) => row.fills,
      cell: (row) => compact(row.fills ?? 0),
    },
    {
      name: 'Profit',
      right: true,
      by: (row) => row.profit,
      cell: (row) => (row.profit === null ? '–' : `${signed(row.profit, 2)} ${row.currency}`),
    },
    {
      name: 'Drawdown',
      right: true,
      by: (row) => row.drawdown,
      cell: (row) => (row.drawdown === null ? '–' : row.drawdown.toFixed(2)),
    },
    {
      name: 'Compare',
      cell: (row) =>
        address.id === null || address.id === row.run ? (
          '–'
        ) : (
          <button
            type="button"
            class="tool"
            onClick={(event) => {
              event.stopPropagation();
              go({ other: address.other === row.run ? null : row.run });
            }}
          >
            {address.other === row.run ? 'no longer' : 'with this'}
          </button>
        ),
    },
  ];
}

/** All runs; one of them in detail, or two side by side. */
export default function Backtests(props: PageProps) {
  const { go, theme } = props;
  const address = { ...props.address, known: null };
  const polled = usePanel(panelPath('backtest_runs', address), 5_000);
  const runs = runsOf(polled.answer);
  const more = address.id === null ? null : { id: address.id, other: address.other ?? address.id };
  return (
    <div class="grid">
      <Panel
        id="runs"
        title="Backtests"
        at={polled.at_ms}
        limit={15_000}
        problem={polled.problem}
        note={address.id === null ? 'Enter opens a run' : 'choose a second one to compare'}
        actions={<Tools panel="backtest_runs" title="the runs" address={address} />}
      >
        {runs.length === 0 ? (
          <Empty>
            {polled.answer === null
              ? polled.problem === null
                ? 'Asking the warehouse…'
                : 'Not known while the warehouse does not answer.'
              : 'No backtest has been made yet: see `kt backtest --help`.'}
          </Empty>
        ) : (
          <Grid
            label="Backtests"
            columns={columnsFor(address, go)}
            rows={runs}
            keyOf={(row) => `${row.run} ${row.currency}`}
            chosen={
              runs.filter((row) => row.run === address.id).map((row) => `${row.run} ${row.currency}`)[0] ??
              null
            }
            onChoose={(row) => go({ id: row.run, other: null })}
          />
        )}
      </Panel>
      {more === null ? null : (
        <>
          <ChartPanel spec={backtestEquity} address={address} theme={theme} more={more} />
          <Legs address={address} more={more} />
        </>
      )}
    </div>
  );
}

const AMOUNTS = ['turnover', 'trading', 'fees', 'funding', 'net', 'position'] as const;

function Legs(props: { address: Address; more: Record<string, string> }) {
  const polled = usePanel(panelPath('backtest_legs', props.address, props.more), 30_000);
  const columns = polled.answer?.answer.data ?? {};
  const [run, venue, instrument, currency] = ['run', 'venue', 'instrument', 'currency'].map((name) =>
    texts(columns, name),
  );
  const amounts = AMOUNTS.map((name) => numbers(columns, name));
  return (
    <Panel
      id="legs"
      title="Legs"
      at={polled.at_ms}
      limit={60_000}
      problem={polled.problem}
      note="trading, fees and funding apart; fees above zero were paid, funding above zero was received"
      actions={<Tools panel="backtest_legs" title="the legs" address={props.address} more={props.more} />}
    >
      <div class="scroll" tabIndex={0} role="region" aria-label="Legs, scrolls sideways">
        <table>
          <thead>
            <tr>
              <th scope="col">Leg</th>
              <th scope="col">Run</th>
              {AMOUNTS.map((name) => (
                <th scope="col" class="right" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(run ?? []).map((name, row) => (
              <tr key={`${name} ${venue?.[row]} ${instrument?.[row]}`}>
                <th scope="row">
                  {instrument?.[row]} <small>{venue?.[row]}</small>
                </th>
                <td>{name.slice(0, 8)}</td>
                {amounts.map((values, index) => (
                  <td class="right number" key={AMOUNTS[index]}>
                    {values[row] == null
                      ? '–'
                      : (values[row] ?? 0).toFixed(AMOUNTS[index] === 'position' ? 6 : 2)}{' '}
                    {AMOUNTS[index] === 'net' ? <small>{currency?.[row]}</small> : null}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
