import type { ComponentChildren } from 'preact';
import { serverNow, useTick } from '../data/clock.js';
import type { Problem } from '../data/types.js';
import { age } from '../format.js';

/** The age of a number. Past its limit it says so in words; the caller greys the number itself. */
export function Age(props: { at: number | null; limit: number; what?: string }) {
  useTick(200);
  if (props.at === null) return <span class="age">no data yet</span>;
  const ms = serverNow() - props.at;
  if (ms <= props.limit) return <span class="age">{age(ms)}</span>;
  return (
    <span class="age late" title={`${props.what ?? 'This number'} is older than ${age(props.limit)}`}>
      <span aria-hidden="true">◷</span> stale {age(ms)}
    </span>
  );
}

/** Whether a number of this age should be greyed; renders again by itself. */
export function useStale(at: number | null, limit: number): boolean {
  useTick(500);
  return at === null || serverNow() - at > limit;
}

interface PanelProps {
  id: string;
  title: string;
  /** When the panel's data were written, for the age in its corner. */
  at: number | null;
  limit: number;
  problem?: Problem | null;
  actions?: ComponentChildren;
  note?: ComponentChildren;
  children: ComponentChildren;
}

/** One part of the page: a heading, its age, what is wrong with it, and the content. */
export function Panel(props: PanelProps) {
  const heading = `${props.id}-title`;
  return (
    <section class={`panel panel-${props.id}`} id={props.id} aria-labelledby={heading}>
      <header class="panel-head">
        <h2 id={heading}>{props.title}</h2>
        {props.note ? <span class="note">{props.note}</span> : null}
        <span class="spring" />
        {props.actions}
        <Age at={props.at} limit={props.limit} what={props.title} />
      </header>
      {props.problem ? (
        <p class="problem" role="status">
          <span aria-hidden="true">▲</span> <strong>{props.problem.error}</strong>
          {props.problem.hint ? <> {props.problem.hint}</> : null}
        </p>
      ) : null}
      {props.children}
    </section>
  );
}

/** Says why there is nothing to see. */
export function Empty(props: { children: ComponentChildren }) {
  return <p class="empty">{props.children}</p>;
}

/** A state in words with its own shape, so that it does not hang on colour alone. */
export function State(props: { kind: 'ok' | 'warn' | 'bad' | 'idle'; children: ComponentChildren }) {
  const shape = { ok: '●', warn: '▲', bad: '■', idle: '○' }[props.kind];
  return (
    <span class={`state ${props.kind}`}>
      <span aria-hidden="true">{shape}</span> {props.children}
    </span>
  );
}
