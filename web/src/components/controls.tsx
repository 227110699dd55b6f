import { type Address, type Go, RANGES } from '../data/address.js';
import { useTick } from '../data/clock.js';
import type { InstrumentList } from '../data/types.js';
import { age, moment } from '../format.js';
import { InstrumentSelect } from './instrument.js';

interface ControlsProps {
  address: Address;
  go: Go;
  list: InstrumentList | null;
  /** Whether the page looks at one instrument, at a range of time, at what was known. */
  instrument: boolean;
  range: boolean;
  known: boolean;
}

/** What a page is about: instrument, range of time, and the moment whose knowledge is shown. All of it stands in the address. */
export function Controls(props: ControlsProps) {
  const { address, go } = props;
  return (
    <section class="controls" aria-label="What is shown">
      {props.instrument ? (
        <InstrumentSelect list={props.list} chosen={address.key} onChoose={(key) => go({ key })} />
      ) : null}
      {props.range ? (
        <>
          <label class="field">
            <span class="field-name">Range</span>
            <select
              value={String(address.range)}
              onChange={(event) => go({ range: Number(event.currentTarget.value) })}
            >
              {RANGES.some(([seconds]) => seconds === address.range) ? null : (
                <option value={String(address.range)}>{age(address.range * 1000)}</option>
              )}
              {RANGES.map(([seconds, words]) => (
                <option value={String(seconds)} key={seconds}>
                  {words}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span class="field-name">until, UTC</span>
            <input
              type="datetime-local"
              step="1"
              value={address.to === null ? '' : new Date(address.to).toISOString().slice(0, 19)}
              onChange={(event) => {
                const at = Date.parse(`${event.currentTarget.value}Z`);
                go({ to: Number.isFinite(at) ? at : null });
              }}
            />
          </label>
          {address.to === null ? null : (
            <button type="button" class="tool" onClick={() => go({ to: null })}>
              newest
            </button>
          )}
        </>
      ) : null}
      {props.known ? <KnownSlider address={address} go={go} /> : null}
    </section>
  );
}

/** Steps of the slider over the range. */
const STEPS = 240;

/** Shows values as they were known at a moment: rows received later are left out. */
function KnownSlider(props: { address: Address; go: Go }) {
  const { address, go } = props;
  const now = useTick(5_000);
  const span = Math.max(address.range, 900) * 1_000;
  const begin = (address.to ?? now) - span;
  const end = Math.max(now, address.to ?? now);
  const step = (end - begin) / STEPS;
  const at = address.known === null ? STEPS : Math.round((address.known - begin) / step);
  return (
    <div class="known">
      <label class="field">
        <span class="field-name">as known</span>
        <input
          type="range"
          min={0}
          max={STEPS}
          value={Math.min(Math.max(at, 0), STEPS)}
          aria-valuetext={address.known === null ? 'now' : `${moment(address.known)} UTC`}
          onChange={(event) => {
            const value = Number(event.currentTarget.value);
            go({ known: value >= STEPS ? null : Math.round((begin + value * step) / 1000) * 1000 });
          }}
        />
      </label>
      <output class={address.known === null ? 'dim' : 'then'}>
        {address.known === null ? 'now' : `then: ${moment(address.known)}`}
      </output>
    </div>
  );
}
