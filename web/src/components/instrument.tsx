import { useMemo } from 'preact/hooks';
import { type Key, keyText } from '../data/live.js';
import type { InstrumentList } from '../data/types.js';

/** Instruments by venue, for the selector. */
function byVenue(list: InstrumentList | null): [string, string[]][] {
  const groups = new Map<string, string[]>();
  list?.venue.forEach((venue, row) => {
    const names = groups.get(venue) ?? [];
    names.push(list.instrument[row] ?? '');
    groups.set(venue, names);
  });
  return [...groups].map(([venue, names]) => [venue, names.sort()] as [string, string[]]).sort();
}

export function InstrumentSelect(props: {
  list: InstrumentList | null;
  chosen: Key | null;
  onChoose: (key: Key) => void;
}) {
  const groups = useMemo(() => byVenue(props.list), [props.list]);
  const chosen = props.chosen === null ? '' : keyText(props.chosen);
  const known = groups.some(([venue, names]) => names.some((name) => `${venue}/${name}` === chosen));
  return (
    <label class="field">
      <span class="hidden">Instrument</span>
      <select
        value={chosen}
        onChange={(event) => {
          const [venue, instrument] = event.currentTarget.value.split('/');
          if (venue && instrument) props.onChoose({ venue, instrument });
        }}
      >
        {known ? null : <option value={chosen}>{chosen === '' ? 'no instrument yet' : chosen}</option>}
        {groups.map(([venue, names]) => (
          <optgroup label={venue} key={venue}>
            {names.map((name) => (
              <option value={`${venue}/${name}`} key={name}>
                {name} · {venue}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  );
}
