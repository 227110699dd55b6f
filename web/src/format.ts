/** Numbers and ages as people read them. Pure, so that the tests run without a browser. */

/** `0.4 s`, `12 s`, `3 m 05 s`, `2 h 07 m`. */
export function age(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} m`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `950`, `1.23K`, `45.6M`: at most three digits that mean something. */
export function compact(value: number): string {
  const magnitude = Math.abs(value);
  const scaled = (by: number, unit: string) => `${+(value / by).toPrecision(3)}${unit}`;
  if (magnitude >= 999_500_000) return scaled(1e9, 'G');
  if (magnitude >= 999_500) return scaled(1e6, 'M');
  if (magnitude >= 9_995) return scaled(1e3, 'K');
  return Number.isInteger(value) ? grouped(value) : `${+value.toPrecision(4)}`;
}

/** `12 345`: groups parted by thin spaces, which no locale reads as a decimal sign. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}

/** `+4.21`, `−0.30`: always a sign, so that the direction is not colour alone. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value > 0 ? '+' : '\u2212'}${text}`;
}

/** A share as percent with a sign: 0.1095 is `+10.95 %`. */
export function percent(share: number, digits: number): string {
  return `${signed(share * 100, digits)}\u2009%`;
}

/** `8 h`, `4 h`, `90 m`: the length of a funding interval. */
export function interval(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} m` : `${seconds} s`;
}

/** `in 3 h 07 m`, `passed`. */
export function until(ms: number): string {
  return ms >= 0 ? `in ${age(ms)}` : 'passed';
}

/** `2024-08-08 12:00:03` in UTC. */
export function moment(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** A delay in the unit that reads best. */
export function delay(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${(microseconds / 1_000_000).toFixed(2)} s`;
  if (microseconds >= 10_000) return `${Math.round(microseconds / 1_000)} ms`;
  if (microseconds >= 1_000) return `${(microseconds / 1_000).toFixed(1)} ms`;
  return `${Math.round(microseconds)} µs`;
}

/** Bid and ask with equally many decimals, so that digits stand below digits: `64203.9` becomes `64203.90`. */
export function aligned(bid: string | null, ask: string | null): [string | null, string | null] {
  const decimals = (text: string | null) =>
    text === null || !text.includes('.') ? 0 : text.length - text.indexOf('.') - 1;
  const most = Math.max(decimals(bid), decimals(ask));
  const pad = (text: string | null) => {
    if (text === null || most === 0) return text;
    return (text.includes('.') ? text : `${text}.`) + '0'.repeat(most - decimals(text));
  };
  return [pad(bid), pad(ask)];
}
