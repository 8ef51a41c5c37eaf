-- Events: who accepted what, and who has to hear of it.

-- Nobody has written it; events have ids of their emitters' choice, and a log needs places that are never
-- given twice.
DROP TABLE envelopes;
CREATE TABLE envelopes (
  n            INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT    NOT NULL,
  tenant       TEXT    NOT NULL,
  topic        TEXT    NOT NULL,
  head         TEXT    NOT NULL,      -- JSON: all of the envelope but its payload
  payload      TEXT,
  payload_blob BLOB,
  actor        TEXT,
  traceparent  TEXT,
  accepted_at  INTEGER NOT NULL,
  schema       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX envelopes_id ON envelopes (id);
CREATE INDEX envelopes_topic ON envelopes (topic, n);

-- Statuses: 0 held, 1 pending, 2 running, 3 done, 4 dead, 5 skipped, 6 expired.
CREATE TABLE deliveries (
  event      INTEGER NOT NULL REFERENCES envelopes (n),
  handler    TEXT    NOT NULL,
  priority   INTEGER NOT NULL,        -- 0 low, 1 normal, 2 high, 3 critical
  chain      INTEGER NOT NULL,        -- 0 ordered, 1 first success
  behind     TEXT,                    -- JSON: the handlers behind it
  status     INTEGER NOT NULL,
  owner      BLOB,
  epoch      INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  deaths     INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  took_us    INTEGER NOT NULL,
  value      TEXT,
  value_blob BLOB,
  fault      TEXT,
  PRIMARY KEY (event, handler)
) STRICT, WITHOUT ROWID;
-- What a boot leaves; what waits for whoever has room; dead letters. None of them has what is done with.
CREATE INDEX deliveries_owner ON deliveries (owner) WHERE owner IS NOT NULL;
CREATE INDEX deliveries_free ON deliveries (handler, priority DESC, due_at) WHERE owner IS NULL AND status = 1;
CREATE INDEX deliveries_due ON deliveries (handler, due_at) WHERE owner IS NULL AND status = 1;
CREATE INDEX deliveries_dead ON deliveries (event, handler) WHERE status = 4;
-- What waits for its turn, and what is known to run: for the view below.
CREATE INDEX deliveries_open ON deliveries (status, event) WHERE status IN (0, 2);

-- For people.
CREATE VIEW delivery_view AS
SELECT
  e.n, e.id AS event, e.topic, d.handler,
  CASE d.status WHEN 0 THEN 'held' WHEN 1 THEN 'pending' WHEN 2 THEN 'running' WHEN 3 THEN 'done'
    WHEN 4 THEN 'dead' WHEN 5 THEN 'skipped' WHEN 6 THEN 'expired' END AS status,
  nullif(lower(hex(d.owner)), '') AS owner, d.epoch, d.attempts, d.deaths,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.accepted_at / 1e6, 'unixepoch') AS accepted_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.due_at / 1e6, 'unixepoch') AS due_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.at / 1e6, 'unixepoch') AS at,
  d.fault ->> 'code' AS fault, d.fault ->> 'message' AS reason
FROM deliveries d
JOIN envelopes e ON e.n = d.event;

-- What is stuck, deliveries included. Statuses of runs: 0 pending, 1 running, 2 paused; from 3 on it has ended.
-- Whether an owner is dead is not in the file (its lock is), so that those are added by whoever reads this.
DROP VIEW liveness;
CREATE VIEW liveness AS
SELECT 'owner_ended' AS kind, r.id AS run, NULL AS node, r.owner AS boot, NULL AS event, NULL AS handler
  FROM runs r LEFT JOIN boots b ON b.id = r.owner
  WHERE r.owner IS NOT NULL AND r.status IN (0, 1) AND (b.id IS NULL OR b.ended_at IS NOT NULL)
UNION ALL
SELECT 'unowned', r.id, NULL, NULL, NULL, NULL FROM runs r
  WHERE r.owner IS NULL AND r.status IN (0, 1)
    AND EXISTS (SELECT 1 FROM boots WHERE ended_at IS NULL AND serves = 1)
UNION ALL
SELECT 'leaked', r.id, NULL, r.owner, NULL, NULL FROM runs r
  WHERE r.owner IS NOT NULL AND r.status NOT IN (0, 1)
UNION ALL
SELECT 'in_flight', r.id, n.name, NULL, NULL, NULL FROM nodes n JOIN runs r ON r.n = n.run
  -- A run that cannot go on here is paused as it was left: who resumes it decides what was in flight.
  WHERE n.status = 1 AND r.status NOT IN (0, 1)
    AND NOT (r.status = 2 AND r.fault ->> 'code' IS 'cannot-resume')
UNION ALL
SELECT 'no_wake', r.id, n.name, NULL, NULL, NULL FROM nodes n JOIN runs r ON r.n = n.run
  WHERE n.status = 2 AND n.wake_at IS NULL
UNION ALL
SELECT 'no_reason', r.id, NULL, NULL, NULL, NULL FROM runs r WHERE r.status = 2 AND r.fault IS NULL
UNION ALL
SELECT 'stale_command', r.id, NULL, NULL, NULL, NULL FROM commands c JOIN runs r ON r.n = c.run
  WHERE r.status NOT IN (0, 1, 2)
UNION ALL
SELECT 'owner_ended', NULL, NULL, d.owner, e.id, d.handler
  FROM deliveries d JOIN envelopes e ON e.n = d.event LEFT JOIN boots b ON b.id = d.owner
  WHERE d.owner IS NOT NULL AND d.status IN (1, 2) AND (b.id IS NULL OR b.ended_at IS NOT NULL)
UNION ALL
SELECT 'leaked', NULL, NULL, d.owner, e.id, d.handler FROM deliveries d JOIN envelopes e ON e.n = d.event
  WHERE d.owner IS NOT NULL AND d.status NOT IN (1, 2)
UNION ALL
SELECT 'in_flight', NULL, NULL, NULL, e.id, d.handler FROM deliveries d JOIN envelopes e ON e.n = d.event
  WHERE d.status IN (0, 2) AND d.status = 2 AND d.owner IS NULL
UNION ALL
SELECT 'stranded', NULL, NULL, NULL, e.id, d.handler FROM deliveries d JOIN envelopes e ON e.n = d.event
  WHERE d.status IN (0, 2) AND d.status = 0 AND d.owner IS NULL
    AND NOT EXISTS (SELECT 1 FROM deliveries f, json_each(f.behind) b
      WHERE f.event = d.event AND f.status IN (1, 2) AND b.value = d.handler);
