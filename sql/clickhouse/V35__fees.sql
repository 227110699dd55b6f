-- What a taker pays, in basis points of the value traded: the exchanges' published first tiers, to be replaced by your own:
--   INSERT INTO ref.fees (exchange, market, since, taker_bps, maker_bps, source) VALUES ('okx', 'spot', today(), 8, 6, 'my tier')
-- The newest `since` counts.
CREATE TABLE IF NOT EXISTS ref.fees (
    exchange LowCardinality(String) COMMENT 'the venue''s name up to the first _',
    market Enum8('spot' = 1, 'derivative' = 2),
    since Date,
    taker_bps Float64,
    maker_bps Float64,
    source String
)
ENGINE = ReplacingMergeTree
ORDER BY (exchange, market, since);

INSERT INTO ref.fees (exchange, market, since, taker_bps, maker_bps, source) VALUES
    ('binance', 'spot', '2000-01-01', 10, 10, 'published first tier'),
    ('binance', 'derivative', '2000-01-01', 5, 2, 'published first tier'),
    ('okx', 'spot', '2000-01-01', 10, 8, 'published first tier'),
    ('okx', 'derivative', '2000-01-01', 5, 2, 'published first tier'),
    ('bybit', 'spot', '2000-01-01', 10, 10, 'published first tier'),
    ('bybit', 'derivative', '2000-01-01', 5.5, 2, 'published first tier');
