-- Rows as received, counted by venue, kind, day and minute: what coverage is computed from.
{% set kinds = ['trade', 'quote', 'book', 'mark', 'funding'] %}
{% for kind in kinds %}
select
    venue,
    '{{ kind }}' as kind,
    toDate(event_ts) as day,
    toStartOfMinute(toDateTime(event_ts, 'UTC')) as minute,
    count() as rows,
    countIf(origin = 'backfill') as backfilled_rows,
    uniqExact(instrument) as instruments,
    max(publish_ts) as newest_publish_ts
from {{ source('landing', kind) }}
group by venue, day, minute
{% if not loop.last %}union all{% endif %}
{% endfor %}
