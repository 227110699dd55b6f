import { usePoll } from '../data/poll.js';
import { age } from '../format.js';
import { Empty, Panel, State } from './panel.js';

interface Outcome {
  part: 'run' | 'asset' | 'check';
  name: string;
  partition: string;
  outcome: 'success' | 'failure' | 'warning' | 'canceled' | 'skipped';
  cause: string;
  run_id: string;
  ended_ms: number;
}

interface OrchestrationAnswer {
  now_ms: number;
  failures: number;
  failed_checks: number;
  parts: number;
  outcomes: Outcome[];
}

const KINDS = { success: 'ok', failure: 'bad', warning: 'warn', canceled: 'warn', skipped: 'warn' } as const;
const PARTS = { run: 'job', asset: 'asset', check: 'check' } as const;

/** How jobs, assets and checks of the orchestration ended last; what went wrong comes first. */
export function OrchestrationPanel() {
  const { answer, at_ms, problem } = usePoll<OrchestrationAnswer>('/api/v1/orchestration?limit=100', 5_000);
  const wrong = answer?.outcomes.filter((outcome) => outcome.outcome !== 'success') ?? [];
  const shown =
    answer?.outcomes.filter((outcome) => outcome.part !== 'check' || wrong.includes(outcome)) ?? [];
  return (
    <Panel
      id="orchestration"
      title="Orchestration"
      at={at_ms}
      limit={15_000}
      problem={problem}
      note={
        answer === null
          ? null
          : `${answer.failures} failed, ${answer.failed_checks} checks not passed, of ${answer.parts}`
      }
    >
      {answer === null ? (
        <Empty>Asking the warehouse…</Empty>
      ) : answer.parts === 0 ? (
        <Empty>
          Nothing has run yet: jobs run every hour, and `kt orchestration materialise` runs them now.
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Orchestration, scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">Outcome</th>
                <th scope="col">What</th>
                <th scope="col">Name</th>
                <th scope="col" class="right">
                  Ended
                </th>
                <th scope="col">Cause</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((outcome) => (
                <tr key={`${outcome.part} ${outcome.name}`} title={`run ${outcome.run_id}`}>
                  <td>
                    <State kind={KINDS[outcome.outcome]}>{outcome.outcome}</State>
                  </td>
                  <td>{PARTS[outcome.part]}</td>
                  <th scope="row">
                    {outcome.name}
                    {outcome.partition === '' ? '' : ` (${outcome.partition})`}
                  </th>
                  <td class="right number">{age(answer.now_ms - outcome.ended_ms)}</td>
                  <td class="dim">{outcome.cause}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
