import { numbers } from '../../panels/columns.js';
import { coverageCalendar } from '../../panels/coverage_calendar.js';
import { ChartPanel, everyMs, Tools } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { GapPanel, QuarantinePanel } from '../components/operations.js';
import { Empty, Panel, State } from '../components/panel.js';
import type { Address } from '../data/address.js';
import { panelPath, usePanel } from '../data/panel.js';
import { usePoll } from '../data/poll.js';
import type { GapAnswer, QuarantineAnswer } from '../data/types.js';
import { grouped, moment } from '../format.js';
import type { PageProps } from './page.js';

const MONTH_S = 2_592_000;

/** What is missing, what was refused, and the proof that nothing else is. */
export default function Quality(props: PageProps) {
  const { go, theme } = props;
  const address = { ...props.address, range: Math.max(props.address.range, MONTH_S), known: null };
  const gaps = usePoll<GapAnswer>('/api/v1/gaps?limit=1000', 5_000);
  const quarantine = usePoll<QuarantineAnswer>('/api/v1/quarantine', 5_000);
  return (
    <>
      <Controls address={address} go={go} list={props.list} instrument={false} range known={false} />
      <div class="grid">
        <ChartPanel spec={coverageCalendar} address={address} theme={theme} more={{}} />
        <AuditPanel address={address} />
        <GapPanel polled={gaps} />
        <QuarantinePanel polled={quarantine} />
      </div>
    </>
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
