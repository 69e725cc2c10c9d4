-- The longest waits to send in the last hour, and who should have drained the channel
SELECT process, channel, who, waited_ns, should_drain, snapshot_id AS last_seen_in
FROM longest_waits JOIN processes USING (proc_key)
WHERE side = 'send' AND granted_at_ns IS NULL
ORDER BY waited_ns DESC
LIMIT 20;
