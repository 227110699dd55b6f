-- What a position long spot and short perpetual earned in a day, in basis points of its notional:
-- the funding it received and the basis it was opened at less the basis at the end. Costs are not in it.
{{ config(order_by='(venue, instrument, day)', partition_by='toYYYYMM(day)') }}
select
    b.venue as venue,
    b.instrument as instrument,
    b.day as day,
    b.first_basis_bps - b.last_basis_bps as convergence_bps,
    f.funding_bps as funding_bps,
    f.settlements as settlements,
    f.settlements_expected as settlements_expected,
    f.settlements is not null and f.settlements = f.settlements_expected as funding_complete,
    convergence_bps + f.funding_bps as carry_bps,
    f.apr as funding_apr,
    b.coverage as basis_coverage
from {{ ref('basis_daily') }} as b
left join {{ ref('funding_daily') }} as f
    on b.venue = f.venue and b.instrument = f.instrument and b.day = f.day
settings join_use_nulls = 1
