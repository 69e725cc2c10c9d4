-- The channels that senders waited for longest in the last hour, all waits together
WITH ends AS (
    SELECT proc_key, process, min(snapshot_id) AS first_id, max(snapshot_id) AS last_id
    FROM moment JOIN session USING (session)
    WHERE status = 'ok'
        AND requested_at_ns >= (SELECT max(requested_at_ns) FROM moment) - 3600000000000
    GROUP BY proc_key
), seen AS MATERIALIZED (
    SELECT c.*
    FROM (SELECT first_id AS snapshot_id FROM ends UNION SELECT last_id FROM ends) AS e
        CROSS JOIN channel_at AS c ON c.snapshot_id = e.snapshot_id
)
SELECT
    ends.process,
    last.label AS channel,
    last.send_wait_total_ns - coalesce(first.send_wait_total_ns, 0) AS waited_ns,
    last.send_waits_total - coalesce(first.send_waits_total, 0) AS waits,
    last.sent_total - coalesce(first.sent_total, 0) AS sent,
    last.queue_len AS len,
    last.capacity AS cap,
    last.send_waiters AS waiting_now
FROM ends
    JOIN seen AS last ON last.snapshot_id = ends.last_id
    LEFT JOIN seen AS first
        ON first.snapshot_id = ends.first_id AND first.number = last.number
WHERE last.send_waits_total > coalesce(first.send_waits_total, 0) OR last.send_waiters > 0
ORDER BY waited_ns DESC
LIMIT 20;
