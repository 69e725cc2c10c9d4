-- What was found wrong, the latest first: in how many snapshots, and since when
SELECT process, kind, verdict, json_extract(channels, '$[0].name') AS channel,
    count(*) AS snapshots,
    datetime(min(requested_at_ns) / 1000000000, 'unixepoch') AS since_utc,
    datetime(max(requested_at_ns) / 1000000000, 'unixepoch') AS last_seen_utc,
    json_extract(tasks, '$[0].name') AS task
FROM findings JOIN snapshot_processes USING (snapshot_id) JOIN snapshots USING (snapshot_id)
GROUP BY proc_key, kind, verdict, json_extract(channels, '$[0].id')
ORDER BY max(snapshot_id) DESC, snapshots DESC
LIMIT 20;
