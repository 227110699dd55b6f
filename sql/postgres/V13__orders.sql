-- Steps of our orders and positions, written once each: the number of a step is its key, so that writing
-- again after a kill changes nothing. Times are nanoseconds since the Unix epoch.
CREATE TABLE order_step (
    sequence        bigint PRIMARY KEY,
    step            text NOT NULL,
    event_ts        bigint NOT NULL,
    happened_ts     bigint,
    published_ts    bigint NOT NULL,
    strategy        text NOT NULL,
    venue           text NOT NULL,
    instrument      text NOT NULL,
    client_order_id text NOT NULL,
    venue_order_id  text NOT NULL,
    fill_id         text NOT NULL,
    intent          text NOT NULL,
    side            text NOT NULL,
    time_in_force   text NOT NULL,
    limit_price     numeric(38, 18),
    quantity        numeric(38, 18),
    filled          numeric(38, 18),
    fill_price      numeric(38, 18),
    fill_quantity   numeric(38, 18),
    liquidity       text NOT NULL,
    fee             numeric(38, 18),
    cash            numeric(38, 18),
    funding_rate    numeric(38, 24),
    position        numeric(38, 18),
    bid_price       numeric(38, 18),
    bid_quantity    numeric(38, 18),
    ask_price       numeric(38, 18),
    ask_quantity    numeric(38, 18),
    quote_ts        bigint,
    signal_ts       bigint,
    basis_bps       double precision,
    z_score         double precision,
    edge_bps        double precision,
    reason          text NOT NULL,
    detail          text NOT NULL
);
CREATE INDEX order_step_order ON order_step (client_order_id, sequence) WHERE client_order_id <> '';

-- The orders themselves: one row for each client order id, whatever is written again.
CREATE TABLE trade_order (
    client_order_id text PRIMARY KEY,
    venue_order_id  text NOT NULL DEFAULT '',
    strategy        text NOT NULL,
    venue           text NOT NULL,
    instrument      text NOT NULL,
    intent          text NOT NULL,
    side            text NOT NULL,
    time_in_force   text NOT NULL,
    limit_price     numeric(38, 18) NOT NULL,
    quantity        numeric(38, 18) NOT NULL,
    filled          numeric(38, 18) NOT NULL DEFAULT 0,
    state           text NOT NULL,
    decided_ts      bigint NOT NULL,
    updated_ts      bigint NOT NULL,
    last_sequence   bigint NOT NULL
);
CREATE INDEX trade_order_open ON trade_order (client_order_id)
    WHERE state NOT IN ('filled', 'cancelled', 'rejected', 'refused');

-- Executions: each fill of the venue once.
CREATE TABLE trade_fill (
    client_order_id text NOT NULL,
    fill_id         text NOT NULL,
    sequence        bigint NOT NULL,
    price           numeric(38, 18) NOT NULL,
    quantity        numeric(38, 18) NOT NULL,
    fee             numeric(38, 18) NOT NULL,
    liquidity       text NOT NULL,
    event_ts        bigint NOT NULL,
    PRIMARY KEY (client_order_id, fill_id)
);
