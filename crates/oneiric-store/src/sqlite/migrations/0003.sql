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
