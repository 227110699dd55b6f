-- Basis of every second for which both sides were quoted recently enough.
select
    venue,
    instrument,
    spot_venue,
    spot_instrument,
    ts,
    toDate(ts) as day,
    perp_mid,
    spot_mid,
    basis_bps
from {{ source('marts', 'basis_1s') }} final
