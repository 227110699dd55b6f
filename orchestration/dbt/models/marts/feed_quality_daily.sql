-- How good a day's data is: rows, minutes covered between the first and the last, known gaps, refused frames.
{{ config(order_by='(venue, kind, day)', partition_by='toYYYYMM(day)') }}
select
    r.venue as venue,
    r.kind as kind,
    r.day as day,
    r.rows as rows,
    r.backfilled_rows as backfilled_rows,
    r.minutes_with_rows as minutes_with_rows,
    r.minutes_spanned as minutes_spanned,
    r.minutes_with_rows / r.minutes_spanned as coverage,
    coalesce(g.gaps, 0) as gaps,
    g.missing as missing_events,
    coalesce(q.frames, 0) as quarantined_frames,
    r.newest_publish_ts as newest_publish_ts
from (
    select
        venue,
        kind,
        day,
        sum(rows) as rows,
        sum(backfilled_rows) as backfilled_rows,
        count() as minutes_with_rows,
        dateDiff('minute', min(minute), max(minute)) + 1 as minutes_spanned,
        max(newest_publish_ts) as newest_publish_ts
    from {{ ref('stg_feed_rows') }}
    group by venue, kind, day
) as r
left join (
    -- A gap without a kind concerns all of them.
    select
        venue,
        arrayJoin(if(kind = '', ['trade', 'quote', 'book', 'mark', 'funding'], [toString(kind)])) as kind,
        toDate(event_ts) as day,
        count() as gaps,
        sumOrNull(missing) as missing
    from {{ source('ops', 'gaps') }}
    group by venue, kind, day
) as g on r.venue = g.venue and r.kind = g.kind and r.day = g.day
left join (
    select venue, toDate(event_ts) as day, count() as frames
    from {{ source('ops', 'quarantine') }} final
    group by venue, day
) as q on r.venue = q.venue and r.day = q.day
settings join_use_nulls = 1
