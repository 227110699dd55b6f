/** Colours and type of a chart. The page's style sheet holds the same values for its text. */
export interface Theme {
  readonly name: 'dark' | 'light';
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly panel: string;
  readonly accent: string;
  readonly up: string;
  readonly down: string;
  readonly warn: string;
  readonly font: string;
  /** No animation for people who asked their system for less motion. */
  readonly still: boolean;
}

const FONT = "'Inter Variable', system-ui, sans-serif";

export const DARK: Theme = {
  name: 'dark',
  text: '#e4eaf2',
  muted: '#93a1b3',
  line: '#232e3b',
  panel: '#111820',
  accent: '#55b8ff',
  up: '#2fb893',
  down: '#f2695c',
  warn: '#f0b544',
  font: FONT,
  still: false,
};

export const LIGHT: Theme = {
  name: 'light',
  text: '#16202c',
  muted: '#536173',
  line: '#dce2ea',
  panel: '#ffffff',
  accent: '#0a66b7',
  up: '#0b8160',
  down: '#c23a2e',
  warn: '#8a5a00',
  font: FONT,
  still: false,
};

const KIND_COLOURS: Record<'dark' | 'light', Record<string, string>> = {
  dark: { quote: '#55b8ff', trade: '#f0b544', book: '#9d8cf5', mark: '#2fb893', funding: '#f285b5' },
  light: { quote: '#0a66b7', trade: '#b87400', book: '#6650c9', mark: '#0b8160', funding: '#b83a78' },
};

/** The same kind has the same colour in every chart. */
export function kindColour(kind: string, theme: Theme): string {
  return KIND_COLOURS[theme.name][kind] ?? theme.muted;
}

/** Parts that all time charts share: no legend box, drawn tooltip (no markup, so no inline style). */
export function base(theme: Theme) {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: theme.font, color: theme.text, fontSize: 11 },
    tooltip: {
      trigger: 'axis' as const,
      renderMode: 'richText' as const,
      confine: true,
      transitionDuration: theme.still ? 0 : 0.1,
      backgroundColor: theme.panel,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontSize: 11, fontFamily: theme.font },
      axisPointer: {
        type: 'cross' as const,
        lineStyle: { color: theme.muted },
        crossStyle: { color: theme.muted },
      },
    },
  };
}

export function valueAxis(theme: Theme) {
  return {
    type: 'value' as const,
    position: 'right' as const,
    scale: true,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: theme.muted, fontSize: 11 },
    splitLine: { lineStyle: { color: theme.line, width: 1 } },
    axisPointer: { label: { backgroundColor: theme.muted, color: theme.panel } },
  };
}

export function timeAxis(theme: Theme) {
  return {
    type: 'time' as const,
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: { show: false },
    axisLabel: {
      color: theme.muted,
      fontSize: 11,
      hideOverlap: true,
      showMinLabel: false,
      alignMinLabel: 'left' as const,
      formatter: clockLabel,
    },
    splitLine: { show: false },
    axisPointer: { label: { backgroundColor: theme.muted, color: theme.panel } },
  };
}

/** `HH:MM:SS` of a moment in UTC. */
export function clockLabel(atMs: number): string {
  return Number.isFinite(atMs) ? new Date(atMs).toISOString().slice(11, 19) : '';
}

/** A chart that says in words why it shows nothing. */
export function emptyChart(words: string, theme: Theme) {
  return {
    ...base(theme),
    title: {
      text: words,
      left: 'center',
      top: 'middle',
      textStyle: { color: theme.muted, fontSize: 13, fontWeight: 'normal' as const, fontFamily: theme.font },
    },
  };
}

/** Names of the lines, drawn above the chart. */
export function legend(theme: Theme) {
  return {
    top: 0,
    left: 0,
    type: 'scroll' as const,
    icon: 'roundRect',
    itemWidth: 10,
    itemHeight: 8,
    textStyle: { color: theme.muted, fontSize: 11, fontFamily: theme.font },
  };
}

/** Colours for what has no colour of its own. */
export const PALETTE: Readonly<Record<'dark' | 'light', readonly string[]>> = {
  dark: ['#55b8ff', '#f0b544', '#9d8cf5', '#2fb893', '#f285b5'],
  light: ['#0a66b7', '#b87400', '#6650c9', '#0b8160', '#b83a78'],
};

/** From what longs receive over nothing to what shorts receive; told apart without red and green too. */
export function heatColours(theme: Theme): string[] {
  return theme.name === 'dark' ? ['#b5482f', '#1b2530', '#1f8fd6'] : ['#e8896f', '#f2f4f7', '#6fb3e8'];
}

/** From nothing to a whole. */
export function shareColours(theme: Theme): string[] {
  return theme.name === 'dark' ? ['#7a2f24', '#4a4026', '#17634f'] : ['#f0b3a8', '#f2e2b8', '#a9dcca'];
}
