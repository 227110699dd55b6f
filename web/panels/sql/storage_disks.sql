-- The warehouse's disks.
SELECT name, type, path, total_space, free_space, if(total_space > 0, free_space / total_space, NULL) AS free_share FROM system.disks ORDER BY name
