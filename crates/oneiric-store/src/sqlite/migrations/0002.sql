-- Schema 2: leases that beat, commands, activity, a chained journal.

-- A boot's row is its lease. `beat` is what others watch; `beat_at` is for people.
ALTER TABLE boots ADD COLUMN beat     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE boots ADD COLUMN lease_ms INTEGER NOT NULL DEFAULT 10000;
ALTER TABLE boots ADD COLUMN serves   INTEGER NOT NULL DEFAULT 0;

-- Owners that died since somebody last went on with the run; the deadline, once somebody extended it.
ALTER TABLE runs ADD COLUMN deaths       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN deadline_now INTEGER;

-- Tries that the process did not survive.
ALTER TABLE nodes ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;

-- The fingerprint of everything before the entry, and of the entry. NULL in entries of schema 1, in
-- front of which no chain begins.
ALTER TABLE journal ADD COLUMN link BLOB;

-- What people ask of runs that another process may own.
CREATE TABLE commands (
  n       INTEGER PRIMARY KEY,
  run     INTEGER NOT NULL REFERENCES runs (n),
  id      BLOB    NOT NULL UNIQUE,
  at      INTEGER NOT NULL,
  actor   TEXT,
  command TEXT    NOT NULL      -- JSON
) STRICT;
CREATE INDEX commands_run ON commands (run, n);

-- Upstream's table, and since when.
CREATE TABLE activity (
  domain   TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  paused   INTEGER NOT NULL,
  draining INTEGER NOT NULL,
  note     TEXT,
  at       INTEGER NOT NULL,
  PRIMARY KEY (domain, key)
) STRICT, WITHOUT ROWID;

DROP VIEW node_view;
CREATE VIEW node_view AS
SELECT
  lower(hex(r.id)) AS run, n.node, n.name,
  CASE n.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'waiting'
    WHEN 3 THEN 'completed' WHEN 4 THEN 'failed' WHEN 5 THEN 'skipped' WHEN 6 THEN 'cancelled'
    WHEN 7 THEN 'unknown' WHEN 8 THEN 'held' WHEN 9 THEN 'parked' END AS status,
  n.attempt, n.deaths,
  strftime('%Y-%m-%dT%H:%M:%fZ', n.started_at / 1e6, 'unixepoch') AS started_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', n.ended_at / 1e6, 'unixepoch') AS ended_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', n.wake_at / 1e6, 'unixepoch') AS wake_at,
  CASE n.skip WHEN 0 THEN 'condition' WHEN 1 THEN 'upstream' WHEN 2 THEN 'stopped' END AS skip,
  n.fault ->> 'code' AS fault, n.fault ->> 'message' AS reason, c.output
FROM nodes n
JOIN runs r ON r.n = n.run
LEFT JOIN checkpoints c ON c.run = n.run AND c.node = n.node AND c.input_hash = n.input_hash;

-- What is stuck. Statuses of runs: 0 pending, 1 running, 2 paused; from 3 on it has ended. Whether an
-- owner is dead is not in the file (its lock is), so that those are added by whoever reads this.
CREATE VIEW liveness AS
SELECT 'owner_ended' AS kind, r.id AS run, NULL AS node, r.owner AS boot
  FROM runs r LEFT JOIN boots b ON b.id = r.owner
  WHERE r.owner IS NOT NULL AND r.status IN (0, 1) AND (b.id IS NULL OR b.ended_at IS NOT NULL)
UNION ALL
SELECT 'unowned', r.id, NULL, NULL FROM runs r
  WHERE r.owner IS NULL AND r.status IN (0, 1)
    AND EXISTS (SELECT 1 FROM boots WHERE ended_at IS NULL AND serves = 1)
UNION ALL
SELECT 'leaked', r.id, NULL, r.owner FROM runs r
  WHERE r.owner IS NOT NULL AND r.status NOT IN (0, 1)
UNION ALL
SELECT 'in_flight', r.id, n.name, NULL FROM nodes n JOIN runs r ON r.n = n.run
  -- A run that cannot go on here is paused as it was left: who resumes it decides what was in flight.
  WHERE n.status = 1 AND r.status NOT IN (0, 1)
    AND NOT (r.status = 2 AND r.fault ->> 'code' IS 'cannot-resume')
UNION ALL
SELECT 'no_wake', r.id, n.name, NULL FROM nodes n JOIN runs r ON r.n = n.run
  WHERE n.status = 2 AND n.wake_at IS NULL
UNION ALL
SELECT 'no_reason', r.id, NULL, NULL FROM runs r WHERE r.status = 2 AND r.fault IS NULL
UNION ALL
SELECT 'stale_command', r.id, NULL, NULL FROM commands c JOIN runs r ON r.n = c.run
  WHERE r.status NOT IN (0, 1, 2);
