-- What each table takes on which disk.
SELECT
    database, table, disk_name AS disk, sum(rows) AS rows_held, count() AS parts, uniqExact(partition) AS partitions,
    sum(bytes_on_disk) AS bytes, sum(data_uncompressed_bytes) AS plain_bytes,
    if(bytes > 0, plain_bytes / bytes, NULL) AS ratio, if(rows_held > 0, bytes / rows_held, NULL) AS bytes_per_row,
    toUnixTimestamp(max(modification_time)) * 1000 AS changed_ms
FROM system.parts
WHERE active AND database IN ('landing', 'marts', 'ref', 'ops')
GROUP BY database, table, disk
ORDER BY bytes DESC
