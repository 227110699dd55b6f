-- Funding by day: what was settled, and how many settlements the day should have had. An interval that
-- changed within the day makes the expected number unknown; an unknown interval is never assumed.
{{ config(order_by='(venue, instrument, day)', partition_by='toYYYYMM(day)') }}
select
    s.venue as venue,
    s.instrument as instrument,
    toDate(s.settled_at) as day,
    any(s.payoff) as payoff,
    any(s.settle) as settle,
    count() as settlements,
    sum(s.rate) as rate_sum,
    toFloat64(rate_sum) * 10000 as funding_bps,
    -- Cash per unit of the contract's base for a short perpetual; inverse contracts pay in coin.
    sumOrNullIf(toFloat64(s.rate) * toFloat64(s.mark_price), s.mark_price is not null and s.payoff = 'linear')
        as cash_per_base,
    if(uniqExact(s.interval_seconds) = 1 and countIf(s.interval_seconds is null) = 0, any(s.interval_seconds), null)
        as interval_seconds,
    intDiv(86400, interval_seconds) as settlements_expected,
    funding_bps / 10000 / settlements * 86400 / interval_seconds * 365 as apr
from {{ ref('stg_funding_settlements') }} as s
group by venue, instrument, day
