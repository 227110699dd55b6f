/** What the console's API answers. Times end in `_ms` and are milliseconds UTC. */

export interface Second {
  at_ms: number;
  by_kind: number[];
  by_venue: number[];
  lag_p50_us: number | null;
  lag_p99_us: number | null;
  lag_max_us: number | null;
  landed: number | null;
  queryable_ms: number | null;
}

export interface Notice {
  venue: string;
  cause: string;
  count: number;
  last_ms: number;
  detail: string;
}

export interface VenueHealth {
  venue: string;
  last_ms: number | null;
  age_ms: number | null;
  stale: boolean;
  events: number;
  per_second: number;
  by_kind: number[];
  connections: number;
  connections_live: number;
}

export interface Common {
  now_ms: number;
  version: number;
  stale_after_ms: number;
  kinds: string[];
  second: Second | null;
  venues: VenueHealth[];
  totals: {
    events: number;
    missed: number;
    dropped: number;
    undecodable: number;
    gaps: number;
    instruments: number;
  };
  suspects: Notice[];
  quarantined: Notice[];
  disconnects: Notice[];
}

export interface Priced {
  price: string;
  at_ms: number;
}

export interface Quote {
  bid: string | null;
  bid_quantity: string | null;
  ask: string | null;
  ask_quantity: string | null;
  unit: string;
  spread_bps: number | null;
  at_ms: number;
}

export interface Basis {
  bps: number;
  reference: 'spot' | 'index';
  reference_venue: string;
  reference_instrument: string;
  reference_price: number;
  perpetual_price: number;
  age_ms: number;
  stale: boolean;
}

export interface Funding {
  rate: number;
  rate_text: string;
  stage: 'predicted' | 'settled';
  interval_seconds: number | null;
  interval_source: string;
  apr: number | null;
  refused: string | null;
  settles_in_ms: number | null;
  age_ms: number;
}

export interface Watched {
  venue: string;
  instrument: string;
  events: number;
  quote: Quote | null;
  trade: { price: string; quantity: string; unit: string; side: string; at_ms: number } | null;
  mark: Priced | null;
  index: Priced | null;
  basis: Basis | null;
  funding: Funding | null;
}

export interface LiveMessage {
  common: Common;
  watch: Watched[];
}

/** What moved among the watched instruments since the last message. */
export interface MovesMessage {
  now_ms: number;
  watch: Watched[];
}

export interface Scanner {
  now_ms: number;
  venue: string[];
  instrument: string[];
  basis: (Basis | null)[];
  funding: (Funding | null)[];
  trading: (boolean | null)[];
}

export interface InstrumentList {
  now_ms: number;
  venue: string[];
  instrument: string[];
  events: number[];
  last_ms: (number | null)[];
}

export interface History {
  now_ms: number;
  kinds: string[];
  seconds: Second[];
}

export interface CandleAnswer {
  now_ms: number;
  unit: string;
  /** When the newest trade was received. */
  newest_recv_ms: number | null;
  open_ms: number[];
  open: (number | null)[];
  high: (number | null)[];
  low: (number | null)[];
  close: (number | null)[];
  volume: (number | null)[];
  trades: number[];
}

export interface BasisAnswer {
  now_ms: number;
  reference_venue: string | null;
  reference_instrument: string | null;
  at_ms: number[];
  basis_bps: (number | null)[];
}

export interface Gap {
  venue: string;
  instrument: string;
  kind: string;
  cause: string;
  from_ms: number | null;
  to_ms: number | null;
  missing: number | null;
  detail: string;
}

export interface GapAnswer {
  now_ms: number;
  open: number;
  gaps: Gap[];
}

export interface QuarantineAnswer {
  now_ms: number;
  hours: number;
  rows: {
    kind: 'quarantine' | 'suspect';
    venue: string;
    cause: string;
    count: number;
    last_ms: number;
    detail: string;
  }[];
}

export interface PlatformAnswer {
  now_ms: number;
  source: 'generated' | 'replay' | 'live';
  started_ms: number;
  bus: { ok: boolean; detail: string };
  warehouse: { ok: boolean; detail: string };
  services: Service[] | null;
  services_problem: string | null;
}

export interface Service {
  name: string;
  state: string;
  healthy: boolean;
  detail: string;
  pid: number | null;
  restarts: number;
  since_ms: number | null;
}

export interface Problem {
  error: string;
  hint: string;
}
