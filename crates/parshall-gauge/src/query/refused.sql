-- What was refused in the last hour: sends into full or closed channels, and messages lost
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
), sums AS (
    SELECT
        ends.process,
        last.label AS channel,
        last.full_total - coalesce(first.full_total, 0) AS full,
        last.closed_total - coalesce(first.closed_total, 0) AS closed,
        last.discarded - coalesce(first.discarded, 0) AS discarded,
        last.sent_total - coalesce(first.sent_total, 0) AS sent
    FROM ends
        JOIN seen AS last ON last.snapshot_id = ends.last_id
        LEFT JOIN seen AS first
            ON first.snapshot_id = ends.first_id AND first.number = last.number
)
SELECT * FROM sums WHERE full + closed + discarded > 0
ORDER BY full + closed + discarded DESC
LIMIT 20;
