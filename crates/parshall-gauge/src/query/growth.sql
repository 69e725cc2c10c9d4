-- The channels that hold more messages than an hour ago
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
    coalesce(first.queue_len, 0) AS then_len,
    last.queue_len AS now_len,
    last.capacity AS cap,
    last.high_watermark AS highest,
    last.sent_total - coalesce(first.sent_total, 0) AS sent,
    last.recv_total - coalesce(first.recv_total, 0) AS received
FROM ends
    JOIN seen AS last ON last.snapshot_id = ends.last_id
    LEFT JOIN seen AS first
        ON first.snapshot_id = ends.first_id AND first.number = last.number
WHERE last.queue_len > coalesce(first.queue_len, 0)
ORDER BY last.queue_len - coalesce(first.queue_len, 0) DESC
LIMIT 20;
