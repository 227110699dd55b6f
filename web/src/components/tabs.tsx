import { useEffect, useRef, useState } from 'preact/hooks';
import { type Address, type Go, PAGES, type PageName, write } from '../data/address.js';

const TITLES: Record<PageName, string> = {
  overview: 'Overview',
  basis: 'Basis',
  funding: 'Funding',
  orders: 'Orders',
  quality: 'Data quality',
  storage: 'Storage',
  backtests: 'Backtests',
  pipeline: 'Pipeline',
  alerts: 'Alerts',
};

/** The page's parts. Real links: they open in new tabs and are found by the keyboard. */
export function Tabs(props: { address: Address; go: Go }) {
  const { address, go } = props;
  const bar = useRef<HTMLElement>(null);
  // On a narrow screen the bar scrolls: the page that is shown has to be seen in it.
  useEffect(() => {
    const tab = bar.current?.querySelector<HTMLElement>('[aria-current]');
    if (!bar.current || !tab) return;
    bar.current.scrollLeft = tab.offsetLeft - (bar.current.clientWidth - tab.offsetWidth) / 2;
  }, [address.page]);
  return (
    <nav class="tabs" aria-label="Pages" ref={bar}>
      {PAGES.map((page, index) => (
        <a
          key={page}
          href={write({ ...address, page, id: null, other: null })}
          aria-current={page === address.page ? 'page' : undefined}
          aria-keyshortcuts={String(index + 1)}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
            event.preventDefault();
            go({ page, id: null, other: null });
          }}
        >
          {TITLES[page]}
        </a>
      ))}
    </nav>
  );
}

/** Whether somebody is writing: then keys are letters. */
function typing(target: EventTarget | null): boolean {
  return (
    // A slider takes no letters.
    (target instanceof HTMLInputElement && target.type !== 'range') ||
    target instanceof HTMLSelectElement ||
    target instanceof HTMLTextAreaElement
  );
}

const KEYS: readonly [string, string][] = [
  ['1 … 9', 'the page’s tabs'],
  ['/', 'the filter'],
  ['[  ]', 'a range earlier, later'],
  ['n', 'back to now'],
  ['↑ ↓  Enter', 'move in a table, open a row'],
  ['Tab', 'the next part; charts offer SQL and CSV'],
  ['?', 'this list'],
];

/** Keys that work everywhere, and the list of them. */
export function Shortcuts(props: { address: Address; go: Go }) {
  const { address, go } = props;
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'Escape') return setShown(false);
      if (typing(event.target)) return;
      const page = PAGES[Number(event.key) - 1];
      const step = address.range * 1_000;
      if (page !== undefined) go({ page, id: null, other: null });
      else if (event.key === '[') go({ to: (address.to ?? Date.now()) - step });
      else if (event.key === ']' && address.to !== null) {
        const to = address.to + step;
        go({ to: to >= Date.now() ? null : to });
      } else if (event.key === 'n') go({ to: null, known: null });
      else if (event.key === '?') setShown(!shown);
      else if (event.key === '/') document.querySelector<HTMLElement>('input[type=search]')?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [address, shown]);
  if (!shown) return null;
  return (
    <section class="shortcuts" aria-label="Keys">
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="tool" onClick={() => setShown(false)}>
        Close
      </button>
    </section>
  );
}
