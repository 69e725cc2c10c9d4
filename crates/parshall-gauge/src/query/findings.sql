-- What was found wrong, the latest first: in how many snapshots, and since when
SELECT process, kind, verdict, json_extract(channels, '$[0].name') AS channel,
    count(*) AS snapshots, min(snapshot_id) AS first_id, max(snapshot_id) AS last_id,
    json_extract(tasks, '$[0].name') AS task
FROM findings JOIN snapshot_processes USING (snapshot_id)
GROUP BY proc_key, kind, verdict, json_extract(channels, '$[0].id')
ORDER BY last_id DESC, snapshots DESC
LIMIT 20;
