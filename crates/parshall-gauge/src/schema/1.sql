-- The primary keys of `nodes`, `edges` and `waits` begin with the snapshot, so they also serve to
-- delete it; that of `edges` is the index on `(snapshot_id, src_id)`.
CREATE TABLE snapshots (
    snapshot_id     INTEGER PRIMARY KEY,
    requested_at_ns INTEGER NOT NULL,
    completed_at_ns INTEGER,
    timeout_ms      INTEGER NOT NULL
);
CREATE TABLE snapshot_processes (
    snapshot_id INTEGER NOT NULL,
    process     TEXT NOT NULL,
    pid         INTEGER,
    proc_key    TEXT NOT NULL,
    status      TEXT NOT NULL,
    recv_at_ns  INTEGER,
    error_text  TEXT,
    PRIMARY KEY (snapshot_id, proc_key)
);
CREATE TABLE nodes (
    snapshot_id INTEGER NOT NULL,
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    process     TEXT NOT NULL,
    proc_key    TEXT NOT NULL,
    attrs_json  TEXT NOT NULL,
    PRIMARY KEY (snapshot_id, id)
);
CREATE INDEX nodes_kind ON nodes (snapshot_id, kind);
CREATE INDEX nodes_proc_key ON nodes (snapshot_id, proc_key);
CREATE TABLE edges (
    snapshot_id INTEGER NOT NULL,
    src_id      TEXT NOT NULL,
    dst_id      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    attrs_json  TEXT NOT NULL,
    PRIMARY KEY (snapshot_id, src_id, dst_id, kind)
);
CREATE INDEX edges_kind ON edges (snapshot_id, kind);
CREATE INDEX edges_dst ON edges (snapshot_id, dst_id);
-- `channel_id` is the id of the `mpsc` node, `place` the place in line from 0, `side` send or recv.
-- `granted_at_ns`: room was granted, and the wait has not been polled since.
CREATE TABLE waits (
    snapshot_id   INTEGER NOT NULL,
    channel_id    TEXT NOT NULL,
    side          TEXT NOT NULL,
    place         INTEGER NOT NULL,
    task_id       TEXT,
    since_ns      INTEGER NOT NULL,
    need          INTEGER NOT NULL,
    granted_at_ns INTEGER,
    PRIMARY KEY (snapshot_id, channel_id, side, place)
);
CREATE VIEW channels AS SELECT
    snapshot_id,
    id,
    json_extract(attrs_json, '$.channel_id') AS number,
    json_extract(attrs_json, '$.name') AS name,
    json_extract(attrs_json, '$.queue_len') AS q,
    json_extract(attrs_json, '$.capacity') AS cap,
    json_extract(attrs_json, '$.utilization') AS utilization,
    json_extract(attrs_json, '$.high_watermark') AS high_watermark,
    json_extract(attrs_json, '$.sender_count') AS senders,
    json_extract(attrs_json, '$.send_waiters') AS send_waiters,
    json_extract(attrs_json, '$.recv_waiters') AS recv_waiters,
    json_extract(attrs_json, '$.oldest_send_wait_ns') AS oldest_send_wait_ns,
    json_extract(attrs_json, '$.oldest_recv_wait_ns') AS oldest_recv_wait_ns,
    json_extract(attrs_json, '$.sent_total') AS sent_total,
    json_extract(attrs_json, '$.recv_total') AS recv_total,
    json_extract(attrs_json, '$.send_waits_total') AS send_waits_total,
    json_extract(attrs_json, '$.send_wait_total_ns') AS send_wait_total_ns
FROM nodes WHERE kind = 'mpsc';
