import { backtestEquity } from './backtest_equity.js';
import { basisHistogram } from './basis_histogram.js';
import { basisSeries } from './basis_series.js';
import { basisTerm } from './basis_term.js';
import { bookDepth } from './book_depth.js';
import { coverageCalendar } from './coverage_calendar.js';
import { fundingCarry } from './funding_carry.js';
import { fundingHeat } from './funding_heat.js';
import { fundingSeries } from './funding_series.js';
import { orderMarkout } from './order_markout.js';
import { orderSteps } from './order_steps.js';
import { pipelineRows } from './pipeline_rows.js';
import type { PanelSpec } from './spec.js';
import { storageTables } from './storage_tables.js';
import { storageTiers } from './storage_tiers.js';

/** Every chart that the page and Grafana share. */
export const CATALOGUE: readonly PanelSpec[] = [
  basisSeries,
  basisHistogram,
  basisTerm,
  bookDepth,
  fundingHeat,
  fundingSeries,
  fundingCarry,
  coverageCalendar,
  pipelineRows,
  storageTables,
  storageTiers,
  orderSteps,
  orderMarkout,
  backtestEquity,
];
