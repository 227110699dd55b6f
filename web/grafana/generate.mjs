// Writes Grafana's dashboards from the page's panels: `npm run grafana`. `--check` only says whether they are up to date.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { DASHBOARDS, VARIABLES } from './dashboards.mjs';
import { grafanaSql, variablesOf } from './sql.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PANELS = path.join(HERE, '../panels');
const SQL = path.join(PANELS, 'sql');
const TARGET = path.join(HERE, 'dashboards/KubeTrader');
const DATASOURCE = { type: 'grafana-clickhouse-datasource', uid: 'kubetrader' };

/** One panel's drawing function as a text that Business Charts runs: it sees `context` and returns the option. */
async function getOption(panel) {
  const entry = '\0kubetrader-entry';
  const specName = panel.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase());
  const code = `
    import { ${specName} as spec } from ${JSON.stringify(path.join(PANELS, `${panel}.ts`))};
    import { DARK, LIGHT } from ${JSON.stringify(path.join(PANELS, 'theme.ts'))};
    export function option(context) {
      const columns = {};
      for (const frame of context.panel.data.series)
        for (const field of frame.fields) columns[field.name] = Array.from(field.values);
      const light = context.grafana?.theme?.isLight === true;
      const font = 'Inter, system-ui, sans-serif';
      const theme = { ...(light ? LIGHT : DARK), panel: light ? '#ffffff' : '#181b1f', font };
      return { version: 2, config: { notMerge: true }, option: spec.draw(columns, theme) };
    }`;
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    root: HERE,
    plugins: [
      {
        name: 'entry',
        enforce: 'pre',
        resolveId: (id) => (id.endsWith('kubetrader-entry') ? entry : null),
        load: (id) => (id === entry ? { code, moduleType: 'ts' } : null),
      },
    ],
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry: 'kubetrader-entry', formats: ['iife'], name: 'KubeTrader' },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  // The bundler marks where each file begins, with places of this machine.
  const text = output.output[0].code.replace(/^\s*\/\/#(end)?region.*\n/gm, '');
  return `${text.trim()}\nreturn KubeTrader.option(context);`;
}

const target = (sql) => [
  {
    refId: 'A',
    datasource: DATASOURCE,
    editorType: 'sql',
    rawSql: sql,
    queryType: 'table',
    format: 1,
    pluginVersion: '4.0.0',
  },
];

function native(kind, title, fields) {
  if (kind === 'table')
    return {
      type: 'table',
      title,
      options: { showHeader: true, cellHeight: 'sm' },
      fieldConfig: { defaults: {}, overrides: [] },
    };
  return {
    type: 'stat',
    title,
    options: {
      reduceOptions: { calcs: ['firstNotNull'], fields: `/^(${fields.join('|')})$/`, values: false },
      colorMode: 'value',
      graphMode: 'none',
      orientation: 'auto',
      textMode: 'value_and_name',
    },
    fieldConfig: { defaults: {}, overrides: [] },
  };
}

async function chart(panel) {
  const source = readFileSync(path.join(PANELS, `${panel}.ts`), 'utf8');
  const word = (name) => source.match(new RegExp(`  ${name}: ['"](.+?)['"],`))?.[1] ?? '';
  return {
    type: 'volkovlabs-echarts-panel',
    title: word('title'),
    description: word('note'),
    options: {
      editorMode: 'code',
      renderer: 'canvas',
      map: 'none',
      themeEditor: { name: 'default', config: '{}' },
      getOption: await getOption(panel),
    },
    fieldConfig: { defaults: {}, overrides: [] },
  };
}

function variable(name, all) {
  const { label, query } = VARIABLES[name];
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { rawSql: query, queryType: 'table', format: 1, refId: name },
    refresh: 2,
    sort: 0,
    multi: false,
    includeAll: false,
    hide: all.includes(name) ? 0 : 2,
    options: [],
    current: { text: '', value: '' },
  };
}

async function dashboard(plan) {
  const panels = [];
  const used = new Set();
  let [x, y, row] = [0, 0, 0];
  for (const [kind, panel, width, height, title, fields] of plan.panels) {
    if (x + width > 24) [x, y, row] = [0, y + row, 0];
    const sql = grafanaSql(SQL, panel);
    for (const name of variablesOf(sql)) used.add(name);
    const shape = kind === 'chart' ? await chart(panel) : native(kind, title, fields);
    panels.push({
      id: panels.length + 1,
      datasource: DATASOURCE,
      gridPos: { x, y, w: width, h: height },
      targets: target(sql),
      ...shape,
    });
    [x, row] = [x + width, Math.max(row, height)];
  }
  // The list of instruments is that of the chosen venue.
  const variables = used.has('instrument') ? ['venue', 'instrument'] : [...used];
  return {
    uid: plan.uid,
    title: plan.title,
    description: 'Generated from web/panels; change it there.',
    tags: ['kubetrader'],
    editable: false,
    graphTooltip: 1,
    schemaVersion: 41,
    timezone: 'utc',
    refresh: '10s',
    time: { from: plan.range, to: 'now' },
    timepicker: {},
    annotations: { list: [] },
    templating: { list: variables.map((name) => variable(name, variables)) },
    panels,
  };
}

export async function generate() {
  const files = new Map();
  for (const plan of DASHBOARDS) files.set(plan.file, `${JSON.stringify(await dashboard(plan), null, 1)}\n`);
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check');
  mkdirSync(TARGET, { recursive: true });
  for (const [name, text] of await generate()) {
    const file = path.join(TARGET, name);
    if (check) {
      let held = '';
      try {
        held = readFileSync(file, 'utf8');
      } catch {
        // Absent: as good as outdated.
      }
      if (held !== text) {
        console.error(`${name} does not fit the panels any more: npm run grafana`);
        process.exitCode = 1;
      }
    } else writeFileSync(file, text);
  }
}
