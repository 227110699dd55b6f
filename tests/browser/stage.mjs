// Starts what the browser tests look at: a running market with its page, and a headless Chromium.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const ARTIFACTS = path.join(ROOT, 'artifacts');
const fromWeb = createRequire(path.join(ROOT, 'web/package.json'));
const { chromium } = fromWeb('playwright-core');
export const AXE = fromWeb('axe-core').source;

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** The test program of the console, built in the profile of all other tests so that nothing is built twice. */
function program() {
  if (process.env.KT_CONSOLE_STAGE) return process.env.KT_CONSOLE_STAGE;
  const profile = process.env.KT_TEST_PROFILE ?? 'ci';
  const build = [
    'test',
    '--profile',
    profile,
    '--locked',
    '--workspace',
    '--test',
    'console',
    '--no-run',
    '--message-format=json',
  ];
  const built = spawnSync('cargo', build, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (built.status !== 0) throw new Error('the console tests do not build');
  const messages = built.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  const found = messages.find((message) => message.executable && message.target.name === 'console');
  if (!found) throw new Error('cargo names no program of the console tests');
  return found.executable;
}

/** A market with its page; `null` and a reason where the machine lacks what it needs. */
export async function startStage() {
  if (!CHROMIUM) return { reason: 'no chromium; `python3 setup/system.py test` installs it' };
  const child = spawn(program(), ['--stage'], {
    cwd: path.join(ROOT, 'crates/console'),
    stdio: ['pipe', 'pipe', process.env.KT_VERBOSE ? 'inherit' : 'ignore'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const lines = createInterface({ input: child.stdout });
  const first = await new Promise((resolve) => {
    lines.on('line', (line) => /^(READY|SKIP)/.test(line) && resolve(line));
    ended.then(() => resolve('SKIP: the stage ended before it was ready'));
  });
  if (first.startsWith('SKIP')) {
    if (child.exitCode !== 0 && child.exitCode !== null)
      throw new Error(`stage: exit code ${child.exitCode}`);
    return { reason: first };
  }
  return {
    url: first.split(' ')[1],
    /** The warehouse behind it. */
    warehouse: first.split(' ')[2],
    say: (words) => child.stdin.write(`${words}\n`),
    /** Ends the stage. Its standard input ends with this process at the latest, and it with that. */
    stop: async () => {
      child.stdin.end('quit\n');
      await ended;
    },
  };
}

/** Inserts the rows of `tests/fixtures/rows.sql`; answers the second, in ms, that they count from. */
export async function insertRows(warehouse) {
  const base = (Math.floor(Date.now() / 1000) - 120) * 1000;
  const text = readFileSync(path.join(ROOT, 'tests/fixtures/rows.sql'), 'utf8');
  for (const statement of text.split('\n;\n')) {
    const answer = await fetch(`${warehouse}/?param_base=${base}`, { method: 'POST', body: statement });
    if (!answer.ok) throw new Error(`${await answer.text()}\n${statement}`);
  }
  return base;
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a profile of its own that is thrown away. */
export async function startBrowser() {
  mkdirSync(ARTIFACTS, { recursive: true });
  const profile = mkdtempSync(path.join(tmpdir(), 'kt-browser-'));
  const options = {
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
    viewport: { width: 1680, height: 1050 },
    colorScheme: 'dark',
  };
  const context = await chromium.launchPersistentContext(profile, options);
  return {
    context,
    stop: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
