import { useMemo, useState } from 'preact/hooks';
import type { PanelSpec } from '../../panels/spec.js';
import type { Theme } from '../../panels/theme.js';
import type { Address } from '../data/address.js';
import { type PanelAnswer, panelPath, usePanel } from '../data/panel.js';
import type { Polled } from '../data/poll.js';
import { moment } from '../format.js';
import { Chart } from './chart.js';
import { Empty, Panel } from './panel.js';

/** How often a panel asks again while it shows the present. */
const EVERY_MS = 3_000;
/** A range that has ended does not change but by late data. */
const SETTLED_MS = 60_000;

export function everyMs(address: Address): number {
  return address.to === null && address.known === null ? EVERY_MS : SETTLED_MS;
}

/** The statement behind a panel, for the clipboard, and its rows as a file. */
export function Tools(props: {
  panel: string;
  title: string;
  address: Address;
  more?: Record<string, string>;
}) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    try {
      const answer = await fetch(panelPath(props.panel, props.address, props.more, 'sql'));
      const text = await answer.text();
      if (!answer.ok) throw new Error((JSON.parse(text) as { error: string }).error);
      await navigator.clipboard.writeText(text);
      setSaid('copied');
    } catch (reason) {
      setSaid(reason instanceof Error ? reason.message : 'not copied');
    }
    setTimeout(() => setSaid(''), 2_500);
  };
  return (
    <span class="tools">
      <span role="status">{said}</span>
      <button
        type="button"
        class="tool"
        onClick={copy}
        title={`Copy the statement behind ${props.title}`}
        aria-label={`Copy ${props.title} as SQL`}
      >
        SQL
      </button>
      <a
        class="tool"
        href={panelPath(props.panel, props.address, props.more, 'csv')}
        download={`${props.panel}.csv`}
        aria-label={`Download ${props.title} as CSV`}
      >
        CSV
      </a>
    </span>
  );
}

/** What the numbers rest on: their newest moment and the share of the range that is known. */
export function Grounds(props: { newest: number | null; coverage: number | null }) {
  const { newest, coverage } = props;
  return (
    <span class="note grounds">
      {newest === null ? null : <span>to {moment(newest).slice(5)} UTC</span>}
      {coverage === null ? null : (
        <span class={coverage < 0.95 ? 'partial' : ''}>
          {' '}
          coverage {(coverage * 100).toFixed(coverage < 0.9995 ? 1 : 0)} %
        </span>
      )}
    </span>
  );
}

interface ChartPanelProps {
  spec: PanelSpec;
  address: Address;
  theme: Theme;
  /** Further values of the question: venue, instrument, id. Null: nothing is chosen yet. */
  more: Record<string, string> | null;
  /** What to say while nothing is chosen. */
  unchosen?: string;
  /** Rows that somebody else asked for already. */
  polled?: Polled<PanelAnswer>;
  /** From which age on they are stale, ms, where that is not the usual. */
  ageLimit?: number;
}

/** One chart of the catalogue with its question, its grounds, and the ways to take it along. */
export function ChartPanel(props: ChartPanelProps) {
  const { spec, address, theme, more } = props;
  const path = more === null || props.polled !== undefined ? null : panelPath(spec.id, address, more);
  const own = usePanel(path, everyMs(address));
  const { answer, at_ms, problem } = props.polled ?? own;
  const columns = answer?.answer.data ?? null;
  const [option, label] = useMemo(
    () => (columns === null ? [null, ''] : [spec.draw(columns, theme), spec.describe(columns)]),
    [columns, theme.name, theme.still],
  );
  const grounds =
    columns === null || answer === null
      ? null
      : {
          newest: spec.newest?.(columns) ?? null,
          coverage: spec.coverage?.(columns, answer.from_ms, answer.to_ms) ?? null,
        };
  return (
    <Panel
      id={spec.id}
      title={spec.title}
      at={at_ms}
      limit={props.ageLimit ?? (address.to === null && address.known === null ? 15_000 : 3_600_000)}
      problem={problem}
      note={
        <>
          {spec.note}
          {grounds === null ? null : <Grounds newest={grounds.newest} coverage={grounds.coverage} />}
        </>
      }
      actions={
        more === null ? null : <Tools panel={spec.id} title={spec.title} address={address} more={more} />
      }
    >
      {more === null ? (
        <Empty>{props.unchosen ?? 'Choose an instrument.'}</Empty>
      ) : option === null ? (
        <Empty>
          {problem === null ? 'Asking the warehouse…' : 'Not known while the warehouse does not answer.'}
        </Empty>
      ) : (
        <Chart option={option} label={label} view={`${path} ${theme.name}`} />
      )}
    </Panel>
  );
}
