export { type BasisColumns, basis } from './basis.js';
export { type CandleColumns, type CandleSettings, candles } from './candles.js';
export { duration, type LagColumns, lag } from './lag.js';
export { type RateColumns, rates } from './rates.js';
export { DARK, LIGHT, type Theme } from './theme.js';
