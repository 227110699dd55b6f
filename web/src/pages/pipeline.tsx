import { pipelineRows } from '../../panels/pipeline_rows.js';
import { ChartPanel } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { Demonstration } from '../components/demonstration.js';
import { FeedPanel, FlowPanels } from '../components/operations.js';
import { OrchestrationPanel } from '../components/orchestration.js';
import { Empty, Panel, State } from '../components/panel.js';
import { useHistory } from '../data/history.js';
import type { Polled } from '../data/poll.js';
import type { PlatformAnswer } from '../data/types.js';
import { age } from '../format.js';
import type { PageProps } from './page.js';
import { AuditPanel } from './quality.js';

/** The platform's own machinery: services, rates, delays, restarts, and what a kill does to the count. */
export default function Pipeline(props: PageProps) {
  const { address, go, theme, live, platform } = props;
  const history = useHistory(live);
  return (
    <>
      <Controls address={address} go={go} list={props.list} instrument={false} range known={false} />
      <div class="grid">
        <Services polled={platform} />
        <Demonstration platform={platform.answer} />
        <FeedPanel live={live} />
        <AuditPanel address={{ ...address, known: null }} often />
        <OrchestrationPanel />
        <FlowPanels seconds={history.seconds} kinds={history.kinds} theme={theme} />
        <ChartPanel spec={pipelineRows} address={{ ...address, known: null }} theme={theme} more={{}} />
      </div>
    </>
  );
}

function Services(props: { polled: Polled<PlatformAnswer> }) {
  const { answer, at_ms, problem } = props.polled;
  const services = answer?.services ?? null;
  return (
    <Panel id="services" title="Services" at={at_ms} limit={10_000} problem={problem}>
      {answer === null ? (
        <Empty>Asking the console…</Empty>
      ) : services === null ? (
        <Empty>{answer.services_problem ?? 'The supervisor is not known to this console.'}</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Services, scrolls sideways">
          <table>
            <thead>
              <tr>
                <th scope="col">Service</th>
                <th scope="col">State</th>
                <th scope="col" class="right">
                  Up
                </th>
                <th scope="col" class="right">
                  Restarts
                </th>
                <th scope="col" class="right wide">
                  Process
                </th>
                <th scope="col" class="wide">
                  Detail
                </th>
              </tr>
            </thead>
            <tbody>
              {services.map((service) => (
                <tr key={service.name}>
                  <th scope="row">{service.name}</th>
                  <td>
                    <State kind={service.healthy ? 'ok' : service.state === 'starting' ? 'warn' : 'bad'}>
                      {service.state}
                    </State>
                  </td>
                  <td class="right number">
                    {service.since_ms === null ? '–' : age(answer.now_ms - service.since_ms)}
                  </td>
                  <td class="right number">{service.restarts}</td>
                  <td class="right number wide">{service.pid ?? '–'}</td>
                  <td class="dim wide">{service.detail}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
