-- The programs in the recording: how many snapshots, and how many were missed or failed
SELECT process, pid, count(*) FILTER (WHERE status = 'ok') AS snapshots,
    coalesce(sum(missed), 0) AS missed,
    count(*) FILTER (WHERE status <> 'ok') AS failed,
    min(snapshot_id) AS first_id, max(snapshot_id) AS last_id,
    max(error_text) AS said
FROM snapshot_processes GROUP BY proc_key ORDER BY last_id DESC;
