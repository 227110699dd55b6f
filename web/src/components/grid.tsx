import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

export interface GridColumn<Row> {
  name: string;
  /** Numbers stand on the right. */
  right?: boolean;
  /** Left out on narrow screens. */
  wide?: boolean;
  /** By what the column sorts; without it, it does not. */
  by?: (row: Row) => number | string | null;
  cell: (row: Row) => ComponentChildren;
}

interface GridProps<Row> {
  label: string;
  columns: readonly GridColumn<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  chosen: string | null;
  onChoose: (row: Row) => void;
}

interface Sort {
  column: number;
  descending: boolean;
}

const FIRST_ROWS = 60;

function arranged<Row>(rows: readonly Row[], columns: readonly GridColumn<Row>[], sort: Sort | null): Row[] {
  const by = sort === null ? undefined : columns[sort.column]?.by;
  if (sort === null || by === undefined) return [...rows];
  const side = sort.descending ? -1 : 1;
  return [...rows].sort((left, right) => {
    const [one, other] = [by(left), by(right)];
    // What is not known comes last in either direction.
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    if (typeof one === 'number' && typeof other === 'number') return (one - other) * side;
    return String(one).localeCompare(String(other)) * side;
  });
}

/** A table whose rows are reached and opened by the keyboard; sorts as given until a heading is pressed. */
export function Grid<Row>(props: GridProps<Row>) {
  const [sort, setSort] = useState<Sort | null>(null);
  const [all, setAll] = useState(false);
  const [active, setActive] = useState<string | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = arranged(props.rows, props.columns, sort);
  const shown = all ? rows : rows.slice(0, FIRST_ROWS);
  const keys = shown.map(props.keyOf);
  const current = active !== null && keys.includes(active) ? active : (keys[0] ?? null);
  const move = (event: KeyboardEvent) => {
    const at = keys.indexOf(current ?? '');
    const row = shown[at];
    if (event.key === 'Enter' && row !== undefined) return props.onChoose(row);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 10,
      PageUp: -10,
      Home: -shown.length,
      End: shown.length,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const target = Math.min(Math.max(at + step, 0), shown.length - 1);
    setActive(keys[target] ?? null);
    (body.current?.rows[target] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class="scroll">
      <table role="grid" aria-label={props.label} aria-rowcount={rows.length}>
        <thead>
          <tr>
            {props.columns.map((column, index) => {
              const sorted = sort?.column === index ? sort : null;
              const side = `${column.right ? 'right' : ''} ${column.wide ? 'wide' : ''}`;
              return (
                <th
                  scope="col"
                  key={column.name}
                  class={side}
                  aria-sort={sorted === null ? 'none' : sorted.descending ? 'descending' : 'ascending'}
                >
                  {column.by === undefined ? (
                    column.name
                  ) : (
                    <button
                      type="button"
                      class="sort"
                      onClick={() =>
                        setSort({ column: index, descending: sorted === null ? true : !sorted.descending })
                      }
                    >
                      {column.name}{' '}
                      <span aria-hidden="true">{sorted === null ? '↕' : sorted.descending ? '▼' : '▲'}</span>
                    </button>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={move}>
          {shown.map((row, index) => {
            const key = keys[index] ?? '';
            return (
              <tr
                key={key}
                class={key === props.chosen ? 'chosen' : ''}
                tabIndex={key === current ? 0 : -1}
                aria-selected={key === props.chosen}
                onFocus={() => setActive(key)}
                onClick={() => props.onChoose(row)}
              >
                {props.columns.map((column, at) =>
                  at === 0 ? (
                    <th scope="row" key={column.name}>
                      {column.cell(row)}
                    </th>
                  ) : (
                    <td
                      key={column.name}
                      class={`${column.right ? 'right number' : ''} ${column.wide ? 'wide' : ''}`}
                    >
                      {column.cell(row)}
                    </td>
                  ),
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
      {shown.length < rows.length ? (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show all {rows.length}
        </button>
      ) : null}
    </div>
  );
}
