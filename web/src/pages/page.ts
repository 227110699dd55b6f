import type { Theme } from '../../panels/theme.js';
import type { Address, Go } from '../data/address.js';
import type { Live } from '../data/live.js';
import type { Polled } from '../data/poll.js';
import type { InstrumentList, PlatformAnswer } from '../data/types.js';

/** What every page is given. */
export interface PageProps {
  address: Address;
  go: Go;
  theme: Theme;
  live: Live;
  list: InstrumentList | null;
  platform: Polled<PlatformAnswer>;
}
