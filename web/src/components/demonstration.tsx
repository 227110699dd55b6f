import { useState } from 'preact/hooks';
import { usePoll } from '../data/poll.js';
import type { PlatformAnswer, Problem } from '../data/types.js';
import { age, grouped } from '../format.js';
import { Empty, Panel, State } from './panel.js';

interface Offer {
  now_ms: number;
  enabled: boolean;
  reason: string;
  services: string[];
  token: string | null;
  state:
    | { phase: 'idle' }
    | { phase: 'recovering'; service: string; since_ms: number }
    | { phase: 'auditing'; service: string; recovered_after_ms: number }
    | {
        phase: 'done';
        service: string;
        recovered_after_ms: number;
        at_ms: number;
        accepted: number;
        landed: number;
        lost: number;
        duplicated: number;
        gaps: number;
      }
    | { phase: 'failed'; service: string; reason: string };
}

/** Ends a service without warning and shows that the count comes out at 0 lost, 0 duplicated. */
export function Demonstration(props: { platform: PlatformAnswer | null }) {
  const polled = usePoll<Offer>('/api/v1/demonstration', 1_000);
  const offer = polled.answer;
  const [chosen, setChosen] = useState('feed');
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const busy = offer?.state.phase === 'recovering' || offer?.state.phase === 'auditing';
  const end = async () => {
    setAsking(false);
    try {
      // A token of this moment: those of earlier polls may have been given up since.
      const fresh = (await (await fetch('/api/v1/demonstration')).json()) as Offer;
      const answer = await fetch('/api/v1/demonstration', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: fresh.token ?? '', service: chosen, confirm: chosen }),
      });
      setProblem(answer.ok ? null : ((await answer.json()) as Problem));
    } catch {
      setProblem({ error: 'the console does not answer', hint: 'is it running? see `kt status`' });
    }
  };
  const known = new Set(props.platform?.services?.map((service) => service.name) ?? []);
  return (
    <Panel
      id="demonstration"
      title="End a service, lose nothing"
      at={polled.at_ms}
      limit={5_000}
      problem={problem ?? polled.problem}
    >
      {offer === null ? (
        <Empty>Asking the console…</Empty>
      ) : !offer.enabled ? (
        <Empty>Not offered here: {offer.reason}.</Empty>
      ) : (
        <div class="demonstration">
          <p>
            <label class="field">
              <span class="field-name">Service</span>
              <select
                value={chosen}
                disabled={busy}
                onChange={(event) => setChosen(event.currentTarget.value)}
              >
                {offer.services
                  .filter((name) => known.size === 0 || known.has(name))
                  .map((name) => (
                    <option key={name}>{name}</option>
                  ))}
              </select>
            </label>{' '}
            {asking ? (
              <>
                <button type="button" class="tool danger" onClick={end}>
                  Yes, kill {chosen} now
                </button>{' '}
                <button type="button" class="tool" onClick={() => setAsking(false)}>
                  No
                </button>
              </>
            ) : (
              <button type="button" class="tool danger" disabled={busy} onClick={() => setAsking(true)}>
                Kill it without warning…
              </button>
            )}
          </p>
          <p role="status">
            <Progress state={offer.state} now={offer.now_ms} />
          </p>
        </div>
      )}
    </Panel>
  );
}

function Progress(props: { state: Offer['state']; now: number }) {
  const { state } = props;
  switch (state.phase) {
    case 'idle':
      return (
        <span class="dim">
          Kill one of the services with SIGKILL. It is started again, and every accepted row is counted.
        </span>
      );
    case 'recovering':
      return (
        <State kind="warn">
          {state.service} was killed {age(props.now - state.since_ms)} ago; waiting until all services are
          healthy
        </State>
      );
    case 'auditing':
      return (
        <State kind="warn">
          all healthy after {age(state.recovered_after_ms)}; counting accepted against landed rows
        </State>
      );
    case 'failed':
      return (
        <State kind="bad">
          {state.service}: {state.reason}
        </State>
      );
    case 'done':
      return (
        <State kind={state.lost + state.duplicated === 0 ? 'ok' : 'bad'}>
          {state.lost} lost, {state.duplicated} duplicated of {grouped(state.accepted)} accepted rows.{' '}
          {state.service} and all others were healthy again after {age(state.recovered_after_ms)};{' '}
          {grouped(state.gaps)} gaps are in the ledger.
        </State>
      );
  }
}
