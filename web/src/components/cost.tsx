import { bytesText } from '../../panels/storage_tables.js';
import { usePoll } from '../data/poll.js';
import { compact } from '../format.js';
import { Empty, Panel } from './panel.js';

interface VenueCost {
  venue: string;
  rows: number;
  hot_bytes: number;
  cold_bytes: number;
  monthly: number;
  bytes_per_day: number;
  projected: { days: number; monthly: number }[];
}

interface CostAnswer {
  now_ms: number;
  counted_ms: number;
  currency: string;
  hot_price: number;
  cold_price: number;
  hot_days: number | null;
  venues: VenueCost[];
}

/** All venues as one. */
export function together(venues: readonly VenueCost[]): VenueCost {
  const sum = (of: (venue: VenueCost) => number) => venues.reduce((total, venue) => total + of(venue), 0);
  return {
    venue: 'together',
    rows: sum((venue) => venue.rows),
    hot_bytes: sum((venue) => venue.hot_bytes),
    cold_bytes: sum((venue) => venue.cold_bytes),
    monthly: sum((venue) => venue.monthly),
    bytes_per_day: sum((venue) => venue.bytes_per_day),
    projected: (venues[0]?.projected ?? []).map((then, index) => ({
      days: then.days,
      monthly: sum((venue) => venue.projected[index]?.monthly ?? 0),
    })),
  };
}

/** What the data costs per month, now and should it go on arriving as it does: the figures of `kt cost`. */
export function CostPanel() {
  const { answer, at_ms, problem } = usePoll<CostAnswer>('/api/v1/cost', 30_000);
  const venues = answer?.venues ?? [];
  const rows = venues.length > 1 ? [...venues, together(venues)] : venues;
  return (
    <Panel
      id="cost"
      title="Cost per month"
      at={answer?.counted_ms ?? at_ms}
      limit={180_000}
      problem={problem}
      note={
        answer === null
          ? null
          : `${answer.currency}, ${answer.hot_price} hot and ${answer.cold_price} cold for a GB and month; ${
              answer.hot_days === null ? 'nothing turns cold by itself' : `cold after ${answer.hot_days} days`
            }; the rate is that of the last hour`
      }
    >
      {rows.length === 0 ? (
        <Empty>
          {answer !== null
            ? 'Nothing has landed yet.'
            : problem === null
              ? 'Asking the warehouse…'
              : 'Not known while the warehouse does not answer.'}
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Cost by venue, scrolls sideways">
          <table>
            <thead>
              <tr>
                <th scope="col">Venue</th>
                <th scope="col" class="right wide">
                  Rows
                </th>
                <th scope="col" class="right">
                  Hot
                </th>
                <th scope="col" class="right">
                  Cold
                </th>
                <th scope="col" class="right">
                  Now
                </th>
                <th scope="col" class="right wide">
                  A day brings
                </th>
                {(rows[0]?.projected ?? []).map((then) => (
                  <th scope="col" class="right" key={then.days}>
                    In {then.days} days
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((venue) => (
                <tr key={venue.venue}>
                  <th scope="row">{venue.venue}</th>
                  <td class="right number wide">{compact(venue.rows)}</td>
                  <td class="right number">{bytesText(venue.hot_bytes)}</td>
                  <td class="right number">{bytesText(venue.cold_bytes)}</td>
                  <td class="right number">{venue.monthly.toFixed(2)}</td>
                  <td class="right number wide">{bytesText(venue.bytes_per_day)}</td>
                  {venue.projected.map((then) => (
                    <td class="right number" key={then.days}>
                      {then.monthly.toFixed(2)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
