import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Header } from './components/header.js';
import { Empty } from './components/panel.js';
import { Shortcuts, Tabs } from './components/tabs.js';
import { type PageName, useAddress } from './data/address.js';
import { type Key, useLive } from './data/live.js';
import { usePoll } from './data/poll.js';
import { useTheme } from './data/theme.js';
import type { InstrumentList, PlatformAnswer } from './data/types.js';
import type { PageProps } from './pages/page.js';

type AnyPage = ComponentType<PageProps & { onWatch: (keys: readonly Key[]) => void }>;

/** Each page comes when it is first looked at; the frame is painted before. */
const LOAD: Record<PageName, () => Promise<{ default: AnyPage }>> = {
  overview: () => import('./pages/overview.js'),
  basis: () => import('./pages/basis.js'),
  funding: () => import('./pages/funding.js'),
  orders: () => import('./pages/orders.js'),
  quality: () => import('./pages/quality.js'),
  storage: () => import('./pages/storage.js'),
  backtests: () => import('./pages/backtests.js'),
  pipeline: () => import('./pages/pipeline.js'),
  alerts: () => import('./pages/alerts.js'),
};

function usePage(name: PageName): { Page: AnyPage | null; failed: boolean } {
  const [loaded, setLoaded] = useState<{ name: PageName; Page: AnyPage | null; failed: boolean } | null>(
    null,
  );
  useEffect(() => {
    let wanted = true;
    LOAD[name]()
      .then((module) => wanted && setLoaded({ name, Page: module.default, failed: false }))
      .catch(() => wanted && setLoaded({ name, Page: null, failed: true }));
    return () => {
      wanted = false;
    };
  }, [name]);
  return loaded?.name === name ? loaded : { Page: null, failed: false };
}

const NOTHING: readonly Key[] = [];

export function App() {
  const [address, go] = useAddress();
  const theme = useTheme(address.theme);
  const instruments = usePoll<InstrumentList>('/api/v1/instruments', 5_000);
  const platform = usePoll<PlatformAnswer>('/api/v1/platform', 2_000);
  const [watch, setWatch] = useState<readonly Key[]>(NOTHING);
  const live = useLive(address.page === 'overview' ? watch : NOTHING);
  const { Page, failed } = usePage(address.page);
  return (
    <>
      <Header
        live={live}
        platform={platform}
        theme={address.theme}
        onTheme={(choice) => go({ theme: choice })}
      />
      <Tabs address={address} go={go} />
      <Shortcuts address={address} go={go} />
      <main id="content" tabIndex={-1} class={live.connected || live.message === null ? '' : 'cut'}>
        {Page === null ? (
          <Empty>
            {failed
              ? 'This part of the page did not arrive. Is the console running? Reload to try again.'
              : 'Loading…'}
          </Empty>
        ) : (
          <Page
            address={address}
            go={go}
            theme={theme}
            live={live}
            list={instruments.answer}
            platform={platform}
            onWatch={setWatch}
          />
        )}
      </main>
    </>
  );
}
