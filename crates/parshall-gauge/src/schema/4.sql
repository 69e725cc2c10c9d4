-- What 4 adds to 3: what is as before is not written again.
--
-- The tables of the former versions are views now. What was recorded in them stays, in the tables
-- `old_*`, until retention removes it; in a new file these are empty.
DROP VIEW channels;
DROP VIEW tasks;
DROP VIEW longest_waits;
DROP VIEW processes;
ALTER TABLE snapshots RENAME TO old_snapshots;
ALTER TABLE snapshot_processes RENAME TO old_snapshot_processes;
ALTER TABLE nodes RENAME TO old_nodes;
ALTER TABLE edges RENAME TO old_edges;
ALTER TABLE waits RENAME TO old_waits;
ALTER TABLE findings RENAME TO old_findings;

-- What one recorder has recorded of one process without a break.
CREATE TABLE session (
    session  INTEGER PRIMARY KEY,
    process  TEXT NOT NULL,
    pid      INTEGER,
    proc_key TEXT NOT NULL,
    schema   TEXT NOT NULL,
    recorder TEXT NOT NULL
);
-- A snapshot. `keyframe` is the one that says all; those after it say what has changed since the
-- one before. `minute` is 1 for a keyframe that is kept when its minute is thinned. `clock_ms`
-- counts recorded time: by it, and not by the time of day, a snapshot is old. `findings_at` is the
-- snapshot in which the findings of this one stand. A failure has a keyframe of -1.
CREATE TABLE moment (
    snapshot_id     INTEGER PRIMARY KEY,
    session         INTEGER NOT NULL,
    keyframe        INTEGER NOT NULL,
    minute          INTEGER NOT NULL,
    clock_ms        INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    requested_at_ns INTEGER NOT NULL,
    completed_at_ns INTEGER,
    status          TEXT NOT NULL,
    error_text      TEXT,
    missed          INTEGER,
    untracked       INTEGER,
    findings_at     INTEGER
);
CREATE INDEX moment_session ON moment (session, snapshot_id);
CREATE INDEX moment_keyframe ON moment (keyframe, snapshot_id);
CREATE INDEX moment_full ON moment (snapshot_id) WHERE minute = 0;
CREATE INDEX moment_minute ON moment (snapshot_id, bytes) WHERE minute = 1;
-- What has changed: JSON objects with a list for each `channel.key` and each `task.key`, or 0 for
-- what is gone. The view `channel_state` says what is where in a list. A large snapshot has several
-- rows.
CREATE TABLE change (
    keyframe    INTEGER NOT NULL,
    snapshot_id INTEGER NOT NULL,
    channels    TEXT NOT NULL,
    tasks       TEXT NOT NULL
);
CREATE INDEX change_keyframe ON change (keyframe, snapshot_id);
-- What does not change: if it does, it is another row. Seen from `first_id` on, and not any more in
-- `gone_id`.
CREATE TABLE channel (
    key             INTEGER PRIMARY KEY,
    session         INTEGER NOT NULL,
    first_id        INTEGER NOT NULL,
    gone_id         INTEGER,
    id              TEXT NOT NULL,
    number          INTEGER NOT NULL,
    name            TEXT NOT NULL,
    label           TEXT NOT NULL,
    capacity        INTEGER,
    created_at_ns   INTEGER NOT NULL,
    creator_task_id TEXT,
    location        TEXT NOT NULL,
    payload         TEXT NOT NULL
);
CREATE INDEX channel_gone ON channel (session, gone_id) WHERE gone_id NOT NULL;
CREATE TABLE task (
    key      INTEGER PRIMARY KEY,
    session  INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    gone_id  INTEGER,
    id       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT,
    root     INTEGER NOT NULL,
    location TEXT
);
CREATE INDEX task_gone ON task (session, gone_id) WHERE gone_id NOT NULL;
CREATE TABLE finding (
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
) WITHOUT ROWID;
-- Waits that were seen to last for 100 ms or longer. `last_id` is the last snapshot that saw it;
-- null while it lasts.
CREATE TABLE long_wait (
    key           INTEGER PRIMARY KEY,
    session       INTEGER NOT NULL,
    last_id       INTEGER,
    seen_at_ns    INTEGER NOT NULL,
    channel_id    TEXT NOT NULL,
    channel       TEXT NOT NULL,
    side          TEXT NOT NULL,
    call          TEXT NOT NULL,
    who           TEXT,
    since_ns      INTEGER NOT NULL,
    granted_at_ns INTEGER,
    should_drain  TEXT
);

CREATE VIEW snapshots AS
SELECT snapshot_id, requested_at_ns, completed_at_ns, 0 AS timeout_ms, schema
FROM moment JOIN session USING (session)
UNION ALL
SELECT snapshot_id, requested_at_ns, completed_at_ns, timeout_ms, schema FROM old_snapshots;

CREATE VIEW snapshot_processes AS
SELECT snapshot_id, process, pid, proc_key, status, completed_at_ns AS recv_at_ns, error_text,
    missed, untracked
FROM moment JOIN session USING (session)
UNION ALL
SELECT snapshot_id, process, pid, proc_key, status, recv_at_ns, error_text, missed, untracked
FROM old_snapshot_processes;

CREATE VIEW processes AS SELECT
    proc_key,
    substr(proc_key, 1, 8) AS short_key,
    process,
    pid,
    count(*) AS snapshots,
    min(snapshot_id) AS first_id,
    max(snapshot_id) AS last_id,
    sum(missed) AS missed
FROM snapshot_processes GROUP BY proc_key;

-- The state of each channel at a snapshot: what was last said of it since the keyframe. The other
-- columns are those of the row with the maximum: SQLite says so. What is grouped is one snapshot,
-- so that whoever joins the view by `snapshot_id` has no other one read.
CREATE VIEW channel_state AS
SELECT m.snapshot_id, m.session, m.requested_at_ns AS at_ns, CAST(j.key AS INTEGER) AS key,
    j.value AS state
FROM moment AS m JOIN json_each((
    SELECT json_group_object(key, json(value)) FROM (
        SELECT s.key, s.value, max(c.snapshot_id)
        FROM change AS c JOIN json_each(c.channels) AS s
        WHERE c.keyframe = m.keyframe AND c.snapshot_id <= m.snapshot_id
        GROUP BY s.key
    )
)) AS j;

-- Points in time in a list count from the creation of the channel; the time that waits have lasted
-- goes on while they do.
CREATE VIEW channel_at AS
SELECT
    s.snapshot_id, s.session, s.at_ns, c.key, c.id, c.number, c.name, c.label, c.capacity,
    c.created_at_ns, c.creator_task_id, c.location, c.payload, p.process, p.proc_key,
    s.state ->> 0 + coalesce(s.state ->> 14, 0) * (s.at_ns - c.created_at_ns) AS send_wait_total_ns,
    s.state ->> 1 + coalesce(s.state ->> 12, 0) * (s.at_ns - c.created_at_ns) AS recv_wait_total_ns,
    max(s.at_ns - c.created_at_ns - s.state ->> 2, 0) AS oldest_send_wait_ns,
    max(s.at_ns - c.created_at_ns - s.state ->> 3, 0) AS oldest_recv_wait_ns,
    coalesce(s.state ->> 4, 0) AS queue_len,
    coalesce(s.state ->> 5, 0) AS sent_total,
    coalesce(s.state ->> 6, 0) AS recv_total,
    coalesce(s.state ->> 7, 0) AS high_watermark,
    coalesce(s.state ->> 8, 0) AS recv_waits_total,
    coalesce(s.state ->> 9, 0) AS last_receive,
    replace(s.state ->> 10, '::', ':' || p.process || ':') AS last_receiver,
    nullif(s.state -> 11, 'null') AS recv_wait,
    coalesce(s.state ->> 12, 0) AS recv_waiters,
    coalesce(s.state ->> 13, 0) AS sender_count,
    coalesce(s.state ->> 14, 0) AS send_waiters,
    coalesce(s.state ->> 15, 0) AS send_waits_total,
    nullif(s.state -> 16, 'null') AS send_waits,
    coalesce(s.state ->> 17, 0) AS full_total,
    c.created_at_ns + s.state ->> 18 AS line_since_ns,
    coalesce(s.state ->> 19, 0) AS granted_waiters,
    coalesce(s.state ->> 20, 0) AS reserved,
    coalesce(s.state ->> 21, 0) AS is_sender_closed,
    coalesce(s.state ->> 22, 0) AS is_receiver_closed,
    s.state ->> 23 AS close_cause,
    coalesce(s.state ->> 24, 0) AS discarded,
    coalesce(s.state ->> 25, 0) AS closed_total,
    coalesce(s.state ->> 26, 0) AS send_given_up_total,
    coalesce(s.state ->> 27, 0) AS recv_given_up_total,
    coalesce(s.state ->> 28, 0) AS weak_sender_count,
    nullif(s.state -> 29, 'null') AS left_waker,
    nullif(s.state -> 30, 'null') AS close_waits,
    nullif(s.state -> 31, 'null') AS senders
FROM channel_state AS s
    CROSS JOIN channel AS c USING (key)
    CROSS JOIN session AS p ON p.session = s.session
WHERE typeof(s.state) = 'text';

CREATE VIEW channel_attrs AS
SELECT snapshot_id, id, process, proc_key, json_object(
    'name', name,
    'label', label,
    'bounded', json(iif(capacity IS NULL, 'false', 'true')),
    'capacity', capacity,
    'queue_len', queue_len,
    'high_watermark', high_watermark,
    'utilization', 1.0 * queue_len / capacity,
    'sender_count', sender_count,
    'weak_sender_count', weak_sender_count,
    'send_waiters', send_waiters,
    'granted_waiters', granted_waiters,
    'recv_waiters', recv_waiters,
    'reserved', reserved,
    'sender_closed', json(iif(is_sender_closed, 'true', 'false')),
    'receiver_closed', json(iif(is_receiver_closed, 'true', 'false')),
    'close_cause', close_cause,
    'sent_total', sent_total,
    'recv_total', recv_total,
    'discarded', discarded,
    'full_total', full_total,
    'closed_total', closed_total,
    'send_waits_total', send_waits_total,
    'send_wait_total_ns', send_wait_total_ns,
    'send_given_up_total', send_given_up_total,
    'recv_waits_total', recv_waits_total,
    'recv_wait_total_ns', recv_wait_total_ns,
    'recv_given_up_total', recv_given_up_total,
    'oldest_send_wait_ns', oldest_send_wait_ns,
    'oldest_recv_wait_ns', oldest_recv_wait_ns,
    'created_at_ns', created_at_ns,
    'creator_task_id', creator_task_id,
    'channel_id', number,
    'location', location,
    'payload', payload,
    'age_ms', max(at_ns - created_at_ns, 0) / 1000000,
    'last_receiver', last_receiver,
    'last_receive', last_receive,
    'line_since_ns', line_since_ns,
    'line_ms', max(at_ns - line_since_ns, 0) / 1000000,
    'left_waker', json(CASE WHEN left_waker IS NULL THEN 'null' ELSE json_object(
        'task', replace(left_waker ->> 0, '::', ':' || process || ':'),
        'own_waker', json(iif(left_waker ->> 1, 'true', 'false'))
    ) END),
    'senders', json(CASE WHEN senders IS NULL THEN 'null' ELSE (
        SELECT json_group_array(json_object(
            'location', value ->> 0,
            'task', replace(value ->> 1, '::', ':' || process || ':'),
            'since_ns', created_at_ns + value ->> 2,
            'age_ms', max(at_ns - created_at_ns - value ->> 2, 0) / 1000000
        )) FROM json_each(senders)
    ) END)
) AS attrs_json
FROM channel_at;

CREATE VIEW task_state AS
SELECT m.snapshot_id, m.session, m.requested_at_ns AS at_ns, CAST(j.key AS INTEGER) AS key,
    j.value AS state
FROM moment AS m JOIN json_each((
    SELECT json_group_object(key, json(value)) FROM (
        SELECT s.key, s.value, max(c.snapshot_id)
        FROM change AS c JOIN json_each(c.tasks) AS s
        WHERE c.keyframe = m.keyframe AND c.snapshot_id <= m.snapshot_id
        GROUP BY s.key
    )
)) AS j;

CREATE VIEW task_at AS
SELECT s.snapshot_id, s.at_ns, t.id, t.kind, t.name, t.root, t.location, p.process, p.proc_key,
    s.state ->> 0 AS state,
    s.state ->> 1 AS state_since_ns,
    s.state ->> 2 AS wakers,
    s.state ->> 3 AS polls,
    s.state ->> 4 AS waiting_since_ns
FROM task_state AS s
    CROSS JOIN task AS t USING (key)
    CROSS JOIN session AS p ON p.session = s.session
WHERE typeof(s.state) = 'text';

CREATE VIEW nodes AS
SELECT snapshot_id, id, 'mpsc' AS kind, process, proc_key, attrs_json FROM channel_attrs
UNION ALL
SELECT snapshot_id, id || ':tx', 'mpsc_tx', process, proc_key, attrs_json FROM channel_attrs
UNION ALL
SELECT snapshot_id, id || ':rx', 'mpsc_rx', process, proc_key, attrs_json FROM channel_attrs
UNION ALL
SELECT snapshot_id, id, kind, process, proc_key, json_object(
    'name', name,
    'root', json(iif(root, 'true', 'false')),
    'location', location,
    'state', state,
    'state_since_ns', state_since_ns,
    'state_ms', max(at_ns - state_since_ns, 0) / 1000000,
    'since', waiting_since_ns,
    'waiting_ms', max(at_ns - waiting_since_ns, 0) / 1000000,
    'polls', polls,
    'wakers', wakers
) FROM task_at
UNION ALL
SELECT snapshot_id, id, kind, process, proc_key, attrs_json FROM old_nodes;

-- `channel_id` is the id of the `mpsc` node, `place` the place in line from 0, `side` send, recv or
-- close. `granted_at_ns`: room was granted, and the wait has not been polled since.
CREATE VIEW waits AS
WITH sides AS (
    SELECT c.snapshot_id, c.id, c.created_at_ns, c.process, 'send' AS side, j.key AS place,
        j.value AS wait
    FROM channel_at AS c JOIN json_each(c.send_waits) AS j WHERE c.send_waits NOT NULL
    UNION ALL
    SELECT snapshot_id, id, created_at_ns, process, 'recv', 0, recv_wait FROM channel_at
    WHERE recv_wait NOT NULL
    UNION ALL
    SELECT c.snapshot_id, c.id, c.created_at_ns, c.process, 'close', j.key, j.value
    FROM channel_at AS c JOIN json_each(c.close_waits) AS j WHERE c.close_waits NOT NULL
)
SELECT snapshot_id, id AS channel_id, side, place,
    replace(wait ->> 2, '::', ':' || process || ':') AS task_id,
    created_at_ns + wait ->> 4 AS since_ns,
    wait ->> 5 AS need,
    created_at_ns + wait ->> 6 AS granted_at_ns,
    wait ->> 0 AS wait_id,
    wait ->> 1 AS call,
    wait ->> 3 AS own_waker,
    created_at_ns + wait ->> 7 AS deadline_ns
FROM sides
UNION ALL
SELECT snapshot_id, channel_id, side, place, task_id, since_ns, need, granted_at_ns, wait_id, call,
    own_waker, deadline_ns
FROM old_waits;

-- The edges follow from the waits and the last receivers, as the library's `Graph` says.
CREATE VIEW edges AS
SELECT snapshot_id, id || ':tx' AS src_id, id || ':rx' AS dst_id, 'needs' AS kind,
    '{}' AS attrs_json
FROM channel_at
UNION ALL
SELECT snapshot_id, id || ':rx', last_receiver, 'needs', json_object(
    'evidence', 'last_polled_receiver', 'last_receive', last_receive)
FROM channel_at
WHERE last_receiver NOT NULL
    AND replace(recv_wait ->> 2, '::', ':' || process || ':') IS NOT last_receiver
UNION ALL
SELECT snapshot_id, task_id, id || ':rx', 'needs', json_object(
    'since_ns', since_ns, 'age_ms', max(at_ns - since_ns, 0) / 1000000)
FROM (
    SELECT snapshot_id, id, at_ns, created_at_ns + recv_wait ->> 4 AS since_ns,
        replace(recv_wait ->> 2, '::', ':' || process || ':') AS task_id
    FROM channel_at WHERE recv_wait ->> 2 NOT NULL
)
UNION ALL
-- A task that waits twice in one channel has one edge: its first wait, and how many there are.
SELECT snapshot_id,
    iif(is_granted, channel_id || ':tx', task_id), iif(is_granted, task_id, channel_id || ':tx'),
    'needs',
    CASE WHEN is_granted THEN json_object(
        'evidence', 'granted', 'granted_at_ns', granted_at_ns,
        'granted_ms', max(at_ns - granted_at_ns, 0) / 1000000, 'need', need, 'waits', waits)
    ELSE json_object(
        'since_ns', since_ns, 'age_ms', max(at_ns - since_ns, 0) / 1000000, 'need', need,
        'waits', waits)
    END
FROM (
    SELECT c.snapshot_id, c.id AS channel_id, c.at_ns,
        replace(j.value ->> 0, '::', ':' || c.process || ':') AS task_id,
        j.value ->> 1 AS is_granted,
        c.created_at_ns + j.value ->> 2 AS since_ns,
        c.created_at_ns + j.value ->> 3 AS granted_at_ns,
        j.value ->> 4 AS need,
        j.value ->> 5 AS waits
    FROM channel_at AS c JOIN json_each((
        -- In here, so that what is grouped is one channel.
        SELECT json_group_array(json_array(task, is_granted, since, granted_at, need, waits))
        FROM (
            SELECT value ->> 2 AS task, value ->> 6 NOT NULL AS is_granted, value ->> 4 AS since,
                value ->> 6 AS granted_at, value ->> 5 AS need, count(*) AS waits, min(key)
            FROM json_each(c.send_waits) WHERE value ->> 2 NOT NULL
            GROUP BY value ->> 2, value ->> 6 NOT NULL
        )
    )) AS j
    WHERE c.send_waits NOT NULL
)
UNION ALL
SELECT snapshot_id, src_id, dst_id, kind, attrs_json FROM old_edges;

-- As in parshall.diagnosis/1. `channels` and `tasks` are lists of objects with `id` and `name`.
-- The text is that of the snapshot in which the finding appeared, or of a keyframe since.
CREATE VIEW findings AS
SELECT m.snapshot_id, f.place, f.kind, f.verdict, f.since_ns, f.channels, f.tasks, f.victims,
    f.assumption, f.text
FROM moment AS m JOIN finding AS f ON f.snapshot_id = m.findings_at
UNION ALL
SELECT snapshot_id, place, kind, verdict, since_ns, channels, tasks, victims, assumption, text
FROM old_findings;

CREATE VIEW channels AS
SELECT
    snapshot_id,
    id,
    number,
    name,
    queue_len AS q,
    capacity AS cap,
    1.0 * queue_len / capacity AS utilization,
    high_watermark,
    sender_count AS senders,
    send_waiters,
    recv_waiters,
    oldest_send_wait_ns,
    oldest_recv_wait_ns,
    sent_total,
    recv_total,
    send_waits_total,
    send_wait_total_ns,
    label,
    full_total,
    closed_total,
    discarded,
    last_receiver,
    created_at_ns
FROM channel_at
UNION ALL
SELECT
    snapshot_id,
    id,
    json_extract(attrs_json, '$.channel_id'),
    json_extract(attrs_json, '$.name'),
    json_extract(attrs_json, '$.queue_len'),
    json_extract(attrs_json, '$.capacity'),
    json_extract(attrs_json, '$.utilization'),
    json_extract(attrs_json, '$.high_watermark'),
    json_extract(attrs_json, '$.sender_count'),
    json_extract(attrs_json, '$.send_waiters'),
    json_extract(attrs_json, '$.recv_waiters'),
    json_extract(attrs_json, '$.oldest_send_wait_ns'),
    json_extract(attrs_json, '$.oldest_recv_wait_ns'),
    json_extract(attrs_json, '$.sent_total'),
    json_extract(attrs_json, '$.recv_total'),
    json_extract(attrs_json, '$.send_waits_total'),
    json_extract(attrs_json, '$.send_wait_total_ns'),
    json_extract(attrs_json, '$.label'),
    json_extract(attrs_json, '$.full_total'),
    json_extract(attrs_json, '$.closed_total'),
    json_extract(attrs_json, '$.discarded'),
    json_extract(attrs_json, '$.last_receiver'),
    json_extract(attrs_json, '$.created_at_ns')
FROM old_nodes WHERE kind = 'mpsc';

CREATE VIEW tasks AS
SELECT snapshot_id, id, kind, name, root, location, state, state_since_ns, wakers, polls,
    waiting_since_ns
FROM task_at
UNION ALL
SELECT
    snapshot_id,
    id,
    kind,
    json_extract(attrs_json, '$.name'),
    json_extract(attrs_json, '$.root'),
    json_extract(attrs_json, '$.location'),
    json_extract(attrs_json, '$.state'),
    json_extract(attrs_json, '$.state_since_ns'),
    json_extract(attrs_json, '$.wakers'),
    json_extract(attrs_json, '$.polls'),
    json_extract(attrs_json, '$.since')
FROM old_nodes WHERE kind IN ('task', 'thread', 'waker');

-- The waits of the last hour that lasted 100 ms or longer, the longest first. `waited_ns` is the
-- least that it has lasted: it may have gone on after the last snapshot that saw it.
CREATE VIEW longest_waits AS
WITH latest AS (
    SELECT session, proc_key, (
        SELECT max(snapshot_id) FROM moment AS m WHERE m.session = s.session
    ) AS snapshot_id FROM session AS s
), seen AS (
    SELECT
        w.*,
        l.proc_key,
        coalesce(w.last_id, l.snapshot_id) AS snapshot_id,
        CASE WHEN w.last_id IS NULL THEN m.requested_at_ns ELSE w.seen_at_ns END AS until_ns
    FROM long_wait AS w
        JOIN latest AS l USING (session)
        JOIN moment AS m ON m.snapshot_id = l.snapshot_id
)
SELECT proc_key, snapshot_id, channel_id, channel, side, call, who,
    max(until_ns - since_ns, 0) AS waited_ns, since_ns, granted_at_ns, should_drain
FROM seen
WHERE until_ns >= (
    SELECT max(requested_at_ns) FROM moment
) - 3600000000000
ORDER BY waited_ns DESC;
