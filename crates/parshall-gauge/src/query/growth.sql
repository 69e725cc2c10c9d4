-- The channels that hold more messages than an hour ago
WITH ends AS (
    SELECT proc_key, process, min(snapshot_id) AS first_id, max(snapshot_id) AS last_id
    FROM moment JOIN session USING (session)
    WHERE status = 'ok'
        AND requested_at_ns >= (SELECT max(requested_at_ns) FROM moment) - 3600000000000
    GROUP BY proc_key
), seen AS MATERIALIZED (
    SELECT * FROM channels
    WHERE snapshot_id IN (SELECT first_id FROM ends UNION SELECT last_id FROM ends)
)
SELECT
    ends.process,
    last.label AS channel,
    coalesce(first.q, 0) AS then_len,
    last.q AS now_len,
    last.cap,
    last.high_watermark AS highest,
    last.sent_total - coalesce(first.sent_total, 0) AS sent,
    last.recv_total - coalesce(first.recv_total, 0) AS received
FROM ends
    JOIN seen AS last ON last.snapshot_id = ends.last_id
    LEFT JOIN seen AS first
        ON first.snapshot_id = ends.first_id AND first.number = last.number
WHERE last.q > coalesce(first.q, 0)
ORDER BY last.q - coalesce(first.q, 0) DESC
LIMIT 20;
