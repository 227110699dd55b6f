import { numbers, texts } from '../../panels/columns.js';
import { Tools } from '../components/chartpanel.js';
import { Empty, Panel, State } from '../components/panel.js';
import type { Address } from '../data/address.js';
import { panelPath, usePanel } from '../data/panel.js';
import type { PlatformAnswer } from '../data/types.js';
import { age, moment } from '../format.js';
import type { PageProps } from './page.js';

const KIND: Record<string, 'ok' | 'warn' | 'bad' | 'idle'> = {
  firing: 'bad',
  pending: 'warn',
  resolved: 'ok',
};

/** What holds now, and what began and ended before. */
export default function Alerts(props: PageProps) {
  const address = { ...props.address, known: null };
  return (
    <div class="grid">
      <Active address={address} platform={props.platform.answer} />
      <History address={address} />
    </div>
  );
}

/** The evaluation's own state: without it silence would look like peace. */
function Evaluator(props: { platform: PlatformAnswer | null }) {
  const services = props.platform?.services ?? null;
  if (services === null) return <>whether rules are evaluated is not known here</>;
  const service = services.find((one) => one.name === 'alerts');
  if (service === undefined) return <State kind="warn">no rules are evaluated: kt alerts does not run</State>;
  return (
    <State kind={service.healthy ? 'ok' : 'bad'}>
      rules are {service.healthy ? 'evaluated' : `not evaluated: ${service.state}`}
    </State>
  );
}

function Active(props: { address: Address; platform: PlatformAnswer | null }) {
  const polled = usePanel(panelPath('alerts_active', props.address), 3_000);
  const columns = polled.answer?.answer.data ?? null;
  const text = (name: string) => (columns === null ? [] : texts(columns, name));
  const [name, stage, severity, summary, labels] = [
    'name',
    'now',
    'severity_now',
    'summary_now',
    'labels_text',
  ].map(text);
  const since = columns === null ? [] : numbers(columns, 'begun_ms');
  return (
    <Panel
      id="active"
      title="Alerts now"
      at={polled.at_ms}
      limit={15_000}
      problem={polled.problem}
      note={<Evaluator platform={props.platform} />}
      actions={<Tools panel="alerts_active" title="the alerts" address={props.address} />}
    >
      {(name ?? []).length === 0 ? (
        <Empty>
          {columns === null
            ? polled.problem === null
              ? 'Asking the warehouse…'
              : 'Not known while the warehouse does not answer.'
            : 'No alert holds.'}
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Alerts that hold, scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">Alert</th>
                <th scope="col">State</th>
                <th scope="col">Severity</th>
                <th scope="col">What</th>
                <th scope="col" class="right">
                  For
                </th>
              </tr>
            </thead>
            <tbody>
              {(name ?? []).map((alert, row) => (
                <tr key={`${alert} ${labels?.[row]}`} title={labels?.[row]}>
                  <th scope="row">{alert}</th>
                  <td>
                    <State kind={KIND[stage?.[row] ?? ''] ?? 'idle'}>{stage?.[row]}</State>
                  </td>
                  <td>{severity?.[row]}</td>
                  <td class="wrap">{summary?.[row]}</td>
                  <td class="right number">
                    {since[row] == null ? '–' : age((polled.answer?.now_ms ?? 0) - (since[row] ?? 0))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function History(props: { address: Address }) {
  const polled = usePanel(panelPath('alerts_history', props.address), 5_000);
  const columns = polled.answer?.answer.data ?? null;
  const text = (name: string) => (columns === null ? [] : texts(columns, name));
  const [name, stage, summary, labels] = ['name', 'stage', 'summary', 'labels_text'].map(text);
  const at = columns === null ? [] : numbers(columns, 'changed_ms');
  return (
    <Panel
      id="changes"
      title="What changed"
      at={polled.at_ms}
      limit={15_000}
      problem={polled.problem}
      note="newest first"
      actions={<Tools panel="alerts_history" title="the changes" address={props.address} />}
    >
      {at.length === 0 ? (
        <Empty>
          {columns === null
            ? polled.problem === null
              ? 'Asking the warehouse…'
              : 'Not known while the warehouse does not answer.'
            : 'No alert has changed yet.'}
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Changes of alerts, scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">When, UTC</th>
                <th scope="col">Alert</th>
                <th scope="col">State</th>
                <th scope="col">What</th>
              </tr>
            </thead>
            <tbody>
              {at.slice(0, 200).map((changed, row) => (
                <tr key={`${changed} ${name?.[row]} ${labels?.[row]}`} title={labels?.[row]}>
                  <td class="number">{changed === null ? 'unknown' : moment(changed)}</td>
                  <th scope="row">{name?.[row]}</th>
                  <td>
                    <State kind={KIND[stage?.[row] ?? ''] ?? 'idle'}>{stage?.[row]}</State>
                  </td>
                  <td class="wrap">{summary?.[row]}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
