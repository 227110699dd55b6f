-- Basis by day: how it stood, how much it moved, and how much of the day it is known for.
{{ config(order_by='(venue, instrument, day)', partition_by='toYYYYMM(day)') }}
select
    venue,
    instrument,
    day,
    argMax(spot_venue, ts) as spot_venue,
    argMax(spot_instrument, ts) as spot_instrument,
    argMinIf(basis_bps, ts, basis_bps is not null) as first_basis_bps,
    argMaxIf(basis_bps, ts, basis_bps is not null) as last_basis_bps,
    avg(basis_bps) as mean_basis_bps,
    min(basis_bps) as least_basis_bps,
    max(basis_bps) as most_basis_bps,
    quantileExact(0.5)(basis_bps) as median_basis_bps,
    stddevSamp(basis_bps) as deviation_bps,
    argMaxIf(perp_mid, ts, perp_mid is not null) as last_perp_mid,
    argMaxIf(spot_mid, ts, spot_mid is not null) as last_spot_mid,
    countIf(basis_bps is not null) as seconds_known,
    seconds_known / 86400 as coverage
from {{ ref('stg_basis_seconds') }}
group by venue, instrument, day
having seconds_known > 0
