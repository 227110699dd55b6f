import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, aligned, compact, delay, grouped, interval, percent, signed, until } from '../src/format.js';

test('ages read as people say them', () => {
  const cases: [number, string][] = [
    [-50, '0.0 s'],
    [340, '0.3 s'],
    [9_949, '9.9 s'],
    [9_950, '9 s'],
    [12_900, '12 s'],
    [185_000, '3 m 05 s'],
    [7_620_000, '2 h 07 m'],
    [200_000_000, '2 d'],
  ];
  for (const [ms, text] of cases) assert.equal(age(ms), text);
});

test('numbers keep their sign and their size', () => {
  assert.equal(signed(4.214, 2), '+4.21');
  assert.equal(signed(-0.3, 2), '\u22120.30');
  assert.equal(signed(-0.001, 2), '0.00', 'no negative zero');
  assert.equal(percent(0.1095, 2), '+10.95\u2009%');
  assert.deepEqual([950, 1234, 45_600, 999_600, 2_500_000_000].map(compact), [
    '950',
    '1\u2009234',
    '45.6K',
    '1M',
    '2.5G',
  ]);
  assert.equal(grouped(1234567), '1\u2009234\u2009567');
  assert.deepEqual([90, 1_500, 25_000, 2_340_000].map(delay), ['90 µs', '1.5 ms', '25 ms', '2.34 s']);
  assert.deepEqual([28_800, 5_400, 45].map(interval), ['8 h', '90 m', '45 s']);
  assert.deepEqual([until(3_000), until(-1)], ['in 3.0 s', 'passed']);
});

test('bid and ask get equally many decimals and lose none', () => {
  assert.deepEqual(aligned('64203.9', '64203.88'), ['64203.90', '64203.88']);
  assert.deepEqual(aligned('64203', '64203.5'), ['64203.0', '64203.5']);
  assert.deepEqual(aligned('7', '8'), ['7', '8']);
  assert.deepEqual(aligned(null, '0.1'), [null, '0.1']);
});
