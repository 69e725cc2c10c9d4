-- The longest waits to send in the last hour, and who should have drained the channel
SELECT process, channel, who, waited_ns, should_drain,
    datetime(requested_at_ns / 1000000000, 'unixepoch') AS last_seen_utc
FROM longest_waits JOIN processes USING (proc_key) JOIN snapshots USING (snapshot_id)
WHERE side = 'send' AND granted_at_ns IS NULL
ORDER BY waited_ns DESC
LIMIT 20;
