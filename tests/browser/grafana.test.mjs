// Grafana's dashboards without Grafana: every statement runs on the warehouse as the ClickHouse data source sends it, every
// drawing function is run on the rows it gives, by the ECharts that Business Charts carries.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, startStage } from './stage.mjs';

const fromWeb = createRequire(path.join(ROOT, 'web/package.json'));
const echarts = fromWeb('echarts');
const FOLDER = path.join(ROOT, 'web/grafana/dashboards/KubeTrader');
const DASHBOARDS = readdirSync(FOLDER).map((file) => [
  file,
  JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')),
]);
const VALUES = { venue: 'binance_usdm', instrument: 'BTC-USDT-USDT-PERP', id: 'none', other: 'none' };

let stage;

before(async () => {
  stage = await startStage();
  // Rows have to be in the marts before anything can be drawn.
  if (stage.url) await new Promise((resolve) => setTimeout(resolve, 12_000));
});

after(async () => stage?.stop?.());

/** What Grafana makes of a statement before it sends it: variables and the range. */
function interpolated(sql, values = VALUES) {
  const quote = (text) => `'${text.replaceAll("'", "''")}'`;
  return sql
    .replaceAll('$__from', String(Date.now() - 600_000))
    .replaceAll('$__to', String(Date.now()))
    .replace(/\$\{([a-z]+):sqlstring\}/g, (_, name) => quote(values[name]));
}

/** As clickhouse-go asks over HTTP: the statement as the body, the rest in the address, and its own headers. */
async function asked(sql, format) {
  const address = new URL(stage.warehouse);
  for (const [name, value] of Object.entries({
    client_protocol_version: '54460',
    database: 'default',
    default_format: format,
    max_execution_time: '60',
  }))
    address.searchParams.set(name, value);
  const answer = await fetch(address, {
    method: 'POST',
    body: sql,
    headers: {
      authorization: `Basic ${Buffer.from('default:').toString('base64')}`,
      'user-agent': 'grafana/12.0.0 clickhouse-datasource/4.0.0 clickhouse-go/2',
    },
  });
  const body = Buffer.from(await answer.arrayBuffer());
  assert.equal(answer.status, 200, `${body.toString().slice(0, 400)}\n${sql}`);
  return { body, format: answer.headers.get('x-clickhouse-format') };
}

test('every statement runs as the data source sends it, every chart is drawn from its rows', async (t) => {
  if (!stage.url) return t.skip(stage.reason);
  let drawn = 0;
  for (const [file, dashboard] of DASHBOARDS) {
    for (const panel of dashboard.panels) {
      const where = `${file}: ${panel.title}`;
      const [target] = panel.targets;
      const sql = interpolated(target.rawSql);
      assert.doesNotMatch(sql, /\$\{|\$__|\{[a-z_]+:/, where);
      const native = await asked(sql, 'Native');
      assert.equal(native.format, 'Native', where);
      const answer = JSON.parse((await asked(sql, 'JSONColumnsWithMetadata')).body.toString());
      if (panel.type !== 'volkovlabs-echarts-panel') continue;
      const fields = Object.entries(answer.data).map(([name, values]) => ({ name, values }));
      for (const isLight of [false, true]) {
        const context = {
          panel: { data: { series: [{ fields }] } },
          grafana: { theme: { isLight } },
          echarts,
        };
        const result = new Function('context', panel.options.getOption)(context);
        assert.equal(result.version, 2, where);
        const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 400 });
        chart.setOption(result.option);
        const svg = chart.renderToSVGString();
        chart.dispose();
        assert.match(svg, /<(path|text)/, where);
        if (answer.rows > 0) drawn += 1;
      }
    }
    for (const variable of dashboard.templating.list)
      await asked(interpolated(variable.query.rawSql), 'Native');
  }
  assert.ok(drawn >= 10, `${drawn} charts with rows`);
});

test('a variable with SQL in it stays a text', async (t) => {
  if (!stage.url) return t.skip(stage.reason);
  const panel = DASHBOARDS.find(([file]) => file === 'basis.json')[1].panels.find((one) =>
    /Basis and/.test(one.title),
  );
  const evil = { ...VALUES, venue: "x' OR 1=1 --" };
  const { body } = await asked(interpolated(panel.targets[0].rawSql, evil), 'JSONColumnsWithMetadata');
  assert.equal(JSON.parse(body.toString()).rows, 0);
});

test('dashboards are of the form that Grafana states', (t) => {
  let types;
  try {
    types = fromWeb.resolve('@grafana/schema');
  } catch {
    return t.skip('no @grafana/schema; `npm ci` in web/ installs it');
  }
  assert.ok(types);
  const directory = path.join(ROOT, 'web/.build/grafana');
  mkdirSync(directory, { recursive: true });
  const checks = DASHBOARDS.map(
    ([, dashboard], index) => `export const d${index}: Dashboard = ${JSON.stringify(dashboard)};`,
  );
  writeFileSync(
    path.join(directory, 'check.ts'),
    `import type { Dashboard } from '@grafana/schema';\n${checks.join('\n')}\n`,
  );
  const tsc = path.join(ROOT, 'web/node_modules/.bin/tsc');
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--target',
    'es2022',
    '--types',
    '',
  ];
  const run = spawnSync(tsc, [...options, path.join(directory, 'check.ts')], {
    encoding: 'utf8',
    cwd: path.join(ROOT, 'web'),
  });
  assert.equal(run.status, 0, run.stdout);
});
