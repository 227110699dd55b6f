import type { EChartsOption } from 'echarts';
import type { Columns } from './columns.js';
import type { Theme } from './theme.js';

/** A chart: a statement of `panels/sql` by name, and how its columns are drawn. Pure, so that the page and Grafana share it. */
export interface PanelSpec {
  /** Name of the statement. */
  readonly id: string;
  readonly title: string;
  /** What the numbers are, in a few words. */
  readonly note: string;
  draw(columns: Columns, theme: Theme): EChartsOption;
  /** The chart in one sentence, for people who hear the page. */
  describe(columns: Columns): string;
  /** Share of the range for which there are numbers, 0 to 1; null where that has no meaning. */
  coverage?(columns: Columns, fromMs: number, toMs: number): number | null;
  /** When its newest number is from, ms UTC. */
  newest?(columns: Columns): number | null;
}
