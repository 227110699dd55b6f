-- Instruments as they are defined now, one row each.
select
    venue,
    instrument,
    instrument_id,
    symbol,
    instrument_type,
    payoff,
    base,
    quote,
    settle,
    underlying,
    underlying_multiplier,
    contract_size,
    funding_interval_seconds,
    status,
    valid_from,
    valid_to,
    known_from
from {{ source('ref', 'instrument_history') }} final
where known_to > now64(9, 'UTC') and valid_to > now64(9, 'UTC')
order by venue, instrument, valid_from desc
limit 1 by venue, instrument
