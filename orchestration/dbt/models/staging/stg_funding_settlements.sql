-- Settled fundings: one row per instrument and settlement. The interval is the venue's own, else that of
-- the instrument's definition; where neither states one it stays unknown.
select
    f.venue as venue,
    f.instrument as instrument,
    f.settled_at as settled_at,
    f.rate as rate,
    f.mark_price as mark_price,
    coalesce(f.interval_seconds, i.funding_interval_seconds) as interval_seconds,
    multiIf(
        f.interval_seconds is not null, toString(f.interval_source),
        i.funding_interval_seconds is not null, 'reference',
        'unknown'
    ) as interval_source,
    i.payoff as payoff,
    i.settle as settle
from (
    select
        venue,
        instrument,
        coalesce(settles_at, event_ts) as settled_at,
        rate,
        mark_price,
        interval_seconds,
        interval_source
    from {{ source('landing', 'funding') }} final
    where stage = 'settled' and rate is not null
    order by venue, instrument, settled_at, version desc
    limit 1 by venue, instrument, settled_at
) as f
left join {{ ref('stg_instruments') }} as i on f.venue = i.venue and f.instrument = i.instrument
settings join_use_nulls = 1
