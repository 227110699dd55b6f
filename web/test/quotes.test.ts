// What the live stream brings is put together so that only what moved is another object.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merged } from '../src/data/merge.js';
import type { Watched } from '../src/data/types.js';

const row = (venue: string, events: number): Watched => ({
  venue,
  instrument: 'BTC-USDT-SPOT',
  events,
  quote: null,
  trade: null,
  mark: null,
  index: null,
  basis: null,
  funding: null,
});

test('moves take their rows’ places and leave the others the same objects', () => {
  const held = [row('binance', 1), row('okx', 5)];
  const after = merged(held, [row('okx', 6), row('unknown', 1)], false);
  assert.equal(after[0], held[0]);
  assert.deepEqual(
    after.map((one) => [one.venue, one.events]),
    [
      ['binance', 1],
      ['okx', 6],
    ],
  );
});

test('a whole message sets which rows there are; those without an event since stay the same objects', () => {
  const held = [row('binance', 1), row('okx', 5)];
  const after = merged(held, [row('okx', 5), row('bybit', 2), row('binance', 2)], true);
  assert.equal(after[0], held[1]);
  assert.deepEqual(
    after.map((one) => [one.venue, one.events]),
    [
      ['okx', 5],
      ['bybit', 2],
      ['binance', 2],
    ],
  );
});
