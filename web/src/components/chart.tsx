import type { EChartsOption } from 'echarts';
import { BarChart, CandlestickChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  AriaComponent,
  DataZoomInsideComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
} from 'echarts/components';
import { type ECharts, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'preact/hooks';

use([
  BarChart,
  CandlestickChart,
  HeatmapChart,
  LineChart,
  ScatterChart,
  AriaComponent,
  DataZoomInsideComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
  CanvasRenderer,
]);

/** Draws what a panel function returns. `label` is what people hear in its place. */
export function Chart(props: { option: EChartsOption; label: string; view: string }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const view = useRef('');
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const drawn = init(element);
    chart.current = drawn;
    const watcher = new ResizeObserver(() => drawn.resize());
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      drawn.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    // Zoom survives new data; another instrument, interval or theme starts anew.
    const anew =
      view.current !== props.view || Array.isArray(props.option.title) || props.option.title !== undefined;
    view.current = props.view;
    chart.current?.setOption(props.option, anew ? { notMerge: true } : { replaceMerge: ['series', 'title'] });
  }, [props.option, props.view]);
  return (
    <figure class="chart" role="img" aria-label={props.label}>
      <div class="chart-canvas" ref={place} aria-hidden="true" />
    </figure>
  );
}

/** A line without axes: the course of a figure over the last minutes. Holes stay holes. */
export function Spark(props: { values: readonly (number | null)[]; label: string }) {
  const known = props.values.filter((value) => value !== null);
  if (known.length < 2) return <svg class="spark" aria-hidden="true" />;
  const top = Math.max(...known, 1e-9);
  const width = 100 / Math.max(props.values.length - 1, 1);
  let pen = 'M';
  let path = '';
  props.values.forEach((value, index) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    path += `${pen}${(index * width).toFixed(2)} ${(26 - (value / top) * 24).toFixed(2)}`;
    pen = 'L';
  });
  return (
    <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label={props.label}>
      <path d={path} />
    </svg>
  );
}
