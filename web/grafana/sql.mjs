// A panel's statement as Grafana's ClickHouse data source takes it.
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** What Grafana puts in the places: its own range and the dashboard's variables, quoted by Grafana. */
const PLACES = {
  from_ms: 'toInt64($__from)',
  to_ms: 'toInt64($__to)',
  step_s: 'toUInt32(greatest(1, intDiv($__to - $__from, 720000)))',
  known_ms: 'toUnixTimestamp64Milli(now64(3))',
  venue: '${venue:sqlstring}',
  instrument: '${instrument:sqlstring}',
  id: '${id:sqlstring}',
  other: '${other:sqlstring}',
};

/** The statement of a panel, its comments left out and its places filled. */
export function grafanaSql(directory, panel) {
  const text = readFileSync(path.join(directory, `${panel}.sql`), 'utf8');
  const plain = text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n')
    .trim();
  return plain.replace(/\{([a-z_]+):[A-Za-z0-9]+\}/g, (place, name) => {
    if (!(name in PLACES)) throw new Error(`${panel}: Grafana knows nothing of ${place}`);
    return PLACES[name];
  });
}

/** The names of the dashboard's variables that a statement uses. */
export function variablesOf(sql) {
  return [...new Set([...sql.matchAll(/\$\{([a-z]+):sqlstring\}/g)].map((match) => match[1]))];
}
