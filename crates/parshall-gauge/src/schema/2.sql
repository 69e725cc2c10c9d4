-- What 2 adds to 1: `proc_key` is the process's key and no longer its name again, and what a
-- sampler has missed since the record before; null if no sampler has recorded it.
ALTER TABLE snapshot_processes ADD COLUMN missed INTEGER;
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
