-- What 3 adds to 2: all that a snapshot is read back from, findings, tasks, and the longest waits.
--
-- `snapshots.schema` is that of the attributes; null before this version. An age at a snapshot is
-- the least that the wait has lasted: it may have gone on after the last one that saw it.
ALTER TABLE snapshots ADD COLUMN schema TEXT;
ALTER TABLE snapshot_processes ADD COLUMN untracked INTEGER;
ALTER TABLE waits ADD COLUMN wait_id INTEGER;
ALTER TABLE waits ADD COLUMN call TEXT;
ALTER TABLE waits ADD COLUMN own_waker INTEGER;
ALTER TABLE waits ADD COLUMN deadline_ns INTEGER;
-- As in parshall.diagnosis/1. `channels` and `tasks` are lists of objects with `id` and `name`.
CREATE TABLE findings (
    snapshot_id INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    since_ns    INTEGER NOT NULL,
    channels    TEXT NOT NULL,
    tasks       TEXT NOT NULL,
    victims     INTEGER NOT NULL,
    assumption  TEXT,
    text        TEXT NOT NULL,
    PRIMARY KEY (snapshot_id, place)
);
CREATE VIEW tasks AS SELECT
    snapshot_id,
    id,
    kind,
    json_extract(attrs_json, '$.name') AS name,
    json_extract(attrs_json, '$.root') AS root,
    json_extract(attrs_json, '$.location') AS location,
    json_extract(attrs_json, '$.state') AS state,
    json_extract(attrs_json, '$.state_since_ns') AS state_since_ns,
    json_extract(attrs_json, '$.wakers') AS wakers,
    json_extract(attrs_json, '$.polls') AS polls,
    json_extract(attrs_json, '$.since') AS waiting_since_ns
FROM nodes WHERE kind IN ('task', 'thread', 'waker');
CREATE VIEW longest_waits AS
WITH seen AS (
    -- The other columns are those of the row with the maximum: SQLite says so.
    SELECT max(s.requested_at_ns - w.since_ns) AS waited_ns, w.*, p.proc_key
    FROM snapshots AS s
        JOIN snapshot_processes AS p USING (snapshot_id)
        JOIN waits AS w USING (snapshot_id)
    WHERE s.requested_at_ns >= (SELECT max(requested_at_ns) FROM snapshots) - 3600000000000
    GROUP BY p.proc_key, w.channel_id, w.side, w.wait_id, w.task_id, w.since_ns
)
SELECT
    seen.proc_key,
    seen.snapshot_id,
    seen.channel_id,
    json_extract(channel.attrs_json, '$.label') AS channel,
    seen.side,
    seen.call,
    coalesce(json_extract(who.attrs_json, '$.name'), seen.task_id) AS who,
    max(seen.waited_ns, 0) AS waited_ns,
    seen.since_ns,
    seen.granted_at_ns,
    CASE WHEN seen.side = 'send' AND seen.granted_at_ns IS NULL THEN
        coalesce(
            json_extract(drain.attrs_json, '$.name'),
            json_extract(channel.attrs_json, '$.last_receiver')
        )
    END AS should_drain
FROM seen
    LEFT JOIN nodes AS channel
        ON channel.snapshot_id = seen.snapshot_id AND channel.id = seen.channel_id
    LEFT JOIN nodes AS who ON who.snapshot_id = seen.snapshot_id AND who.id = seen.task_id
    LEFT JOIN nodes AS drain ON drain.snapshot_id = seen.snapshot_id
        AND drain.id = json_extract(channel.attrs_json, '$.last_receiver')
ORDER BY waited_ns DESC;
