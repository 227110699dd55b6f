import { useEffect, useState } from 'preact/hooks';
import { learn, serverNow } from './clock.js';
import { publishQuotes } from './quotes.js';
import type { LiveMessage, MovesMessage } from './types.js';

export interface Live {
  message: LiveMessage | null;
  /** When it came, on the server's clock. */
  at_ms: number | null;
  connected: boolean;
}

export interface Key {
  venue: string;
  instrument: string;
}

/** `binance/BTC-USDT-SPOT`: how an instrument is written in addresses. */
export function keyText(key: Key): string {
  return `${key.venue}/${key.instrument}`;
}

/** No message for this long: the stream is cut although the browser has not noticed. */
const SILENCE_MS = 5_000;

/** The live stream; the browser reconnects by itself, a silent one is opened anew. */
export function useLive(watch: readonly Key[]): Live {
  const [live, setLive] = useState<Live>({ message: null, at_ms: null, connected: false });
  const names = watch.map(keyText).join(',');
  useEffect(() => {
    let source: EventSource;
    let heard = Date.now();
    const open = () => {
      source = new EventSource(`/api/v1/live?watch=${encodeURIComponent(names)}`);
      source.addEventListener('snapshot', (event: MessageEvent<string>) => {
        const message = JSON.parse(event.data) as LiveMessage;
        heard = Date.now();
        learn(message.common.now_ms);
        publishQuotes(message.watch, true);
        setLive({ message, at_ms: serverNow(), connected: true });
      });
      // Between two of them comes what moved: it goes to who shows quotes, not through the whole page.
      source.addEventListener('moves', (event: MessageEvent<string>) => {
        heard = Date.now();
        publishQuotes((JSON.parse(event.data) as MovesMessage).watch, false);
      });
      source.addEventListener('error', () => setLive((held) => ({ ...held, connected: false })));
    };
    open();
    const guard = setInterval(() => {
      if (Date.now() - heard < SILENCE_MS) return;
      heard = Date.now();
      setLive((held) => ({ ...held, connected: false }));
      source.close();
      open();
    }, 1_000);
    return () => {
      clearInterval(guard);
      source.close();
    };
  }, [names]);
  return live;
}
