-- Schema 1. Applied in one transaction; `PRAGMA user_version` is its number.
--
-- Ids of runs are 16 bytes in `runs` only; everything below points at the row number, which is a
-- quarter of the size in every key. Times are microseconds since 1970 (UTC). Statuses are small
-- integers: the views at the end give the words. Whoever writes here by hand writes under a running
-- engine's feet: use the command line instead.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('store', lower(hex(randomblob(16))));

-- The part that changes with every step, and what lists are filtered by.
CREATE TABLE runs (
  n           INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  tenant      TEXT    NOT NULL,
  workflow    TEXT    NOT NULL,
  status      INTEGER NOT NULL,
  owner       BLOB,
  epoch       INTEGER NOT NULL,
  wake_at     INTEGER,
  priority    INTEGER NOT NULL,
  deadline    INTEGER,
  created_at  INTEGER NOT NULL,
  started_at  INTEGER,
  ended_at    INTEGER,
  bundle      BLOB    NOT NULL,
  parent      BLOB,
  actor       TEXT,
  "trigger"   TEXT    NOT NULL,
  correlation TEXT,
  traceparent TEXT,
  fault       TEXT,
  schema      INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_status   ON runs (tenant, status, id);
CREATE INDEX runs_workflow ON runs (tenant, workflow, status, id);
-- What a claim may take (pending, running), and what a boot owns.
CREATE INDEX runs_free  ON runs (id) WHERE owner IS NULL AND status IN (0, 1);
CREATE INDEX runs_owned ON runs (owner, id) WHERE owner IS NOT NULL;

-- What was asked for; written once, as large as it likes, so that a step never rewrites it.
CREATE TABLE run_inputs (
  run        INTEGER PRIMARY KEY REFERENCES runs (n),
  input      TEXT,             -- JSON; NULL is null, or too large for a row
  input_blob BLOB,             -- its digest in blobs where it is
  options    TEXT NOT NULL     -- JSON
) STRICT;

CREATE TABLE nodes (
  run        INTEGER NOT NULL REFERENCES runs (n),
  node       INTEGER NOT NULL,
  name       TEXT    NOT NULL,
  status     INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  input_hash BLOB,
  started_at INTEGER,
  ended_at   INTEGER,
  wake_at    INTEGER,
  skip       INTEGER,
  fault      TEXT,
  PRIMARY KEY (run, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
  run         INTEGER NOT NULL REFERENCES runs (n),
  node        INTEGER NOT NULL,
  input_hash  BLOB    NOT NULL,
  output      TEXT,            -- JSON; NULL is null, or too large for a row
  output_blob BLOB,            -- its digest in blobs where it is
  at          INTEGER NOT NULL,
  PRIMARY KEY (run, node, input_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
  run   INTEGER NOT NULL REFERENCES runs (n),
  seq   INTEGER NOT NULL,
  at    INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  event TEXT    NOT NULL,      -- JSON
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- One start of one process; `runs.owner` points here. Its file lock says whether it lives.
CREATE TABLE boots (
  id         BLOB PRIMARY KEY,
  host       TEXT    NOT NULL,
  pid        INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  beat_at    INTEGER NOT NULL,
  ended_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX boots_open ON boots (id) WHERE ended_at IS NULL;

-- Bytes under their SHA-256. A table with row numbers: large values spoil a clustered key.
CREATE TABLE blobs (
  n      INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  bytes  BLOB NOT NULL
) STRICT;

-- Records of crates that the store does not know. A removed one keeps its row and its version.
CREATE TABLE extensions (
  n       INTEGER PRIMARY KEY,
  family  TEXT    NOT NULL,
  key     TEXT    NOT NULL,
  version INTEGER NOT NULL,
  value   BLOB,
  at      INTEGER NOT NULL,
  UNIQUE (family, key)
) STRICT;

-- Work that waits for a worker. Nothing writes it yet: it is here so that its keys and the columns
-- that every cause of work shares need no rewrite of a large table later.
CREATE TABLE jobs (
  n           INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  tenant      TEXT    NOT NULL,
  queue       TEXT    NOT NULL,
  status      INTEGER NOT NULL,
  priority    INTEGER NOT NULL,
  due_at      INTEGER NOT NULL,
  deadline    INTEGER,
  owner       BLOB,
  epoch       INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  dedupe      TEXT,
  actor       TEXT,
  "trigger"   TEXT    NOT NULL,
  correlation TEXT,
  traceparent TEXT,
  run         BLOB,            -- the run it became
  payload     TEXT,
  payload_blob BLOB,
  created_at  INTEGER NOT NULL,
  ended_at    INTEGER,
  fault       TEXT,
  schema      INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (tenant, queue, status, priority DESC, due_at, n);

-- Accepted events. Nothing writes it yet; see jobs.
CREATE TABLE envelopes (
  n           INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  tenant      TEXT    NOT NULL,
  topic       TEXT    NOT NULL,
  source      TEXT    NOT NULL,
  priority    INTEGER NOT NULL,
  deadline    INTEGER,
  actor       TEXT,
  correlation TEXT,
  causation   BLOB,
  traceparent TEXT,
  payload     TEXT,
  payload_blob BLOB,
  accepted_at INTEGER NOT NULL,
  schema      INTEGER NOT NULL
) STRICT;
CREATE INDEX envelopes_topic ON envelopes (tenant, topic, n);

-- For people.
CREATE VIEW run_view AS
SELECT
  lower(hex(r.id)) AS id, r.tenant, r.workflow,
  CASE r.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'paused'
    WHEN 3 THEN 'completed' WHEN 4 THEN 'failed' WHEN 5 THEN 'cancelled' END AS status,
  nullif(lower(hex(r.owner)), '') AS owner, r.epoch, r.priority,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.created_at / 1e6, 'unixepoch') AS created_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.started_at / 1e6, 'unixepoch') AS started_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.ended_at / 1e6, 'unixepoch') AS ended_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.wake_at / 1e6, 'unixepoch') AS wake_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.deadline / 1e6, 'unixepoch') AS deadline,
  nullif(lower(hex(r.parent)), '') AS parent, r.actor, r."trigger", r.correlation, r.traceparent,
  r.fault ->> 'code' AS fault, r.fault ->> 'message' AS reason, lower(hex(r.bundle)) AS bundle
FROM runs r;

CREATE VIEW node_view AS
SELECT
  lower(hex(r.id)) AS run, n.node, n.name,
  CASE n.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'waiting'
    WHEN 3 THEN 'completed' WHEN 4 THEN 'failed' WHEN 5 THEN 'skipped'
    WHEN 6 THEN 'cancelled' WHEN 7 THEN 'unknown' END AS status,
  n.attempt,
  strftime('%Y-%m-%dT%H:%M:%fZ', n.started_at / 1e6, 'unixepoch') AS started_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', n.ended_at / 1e6, 'unixepoch') AS ended_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', n.wake_at / 1e6, 'unixepoch') AS wake_at,
  CASE n.skip WHEN 0 THEN 'condition' WHEN 1 THEN 'upstream' WHEN 2 THEN 'stopped' END AS skip,
  n.fault ->> 'code' AS fault, n.fault ->> 'message' AS reason, c.output
FROM nodes n
JOIN runs r ON r.n = n.run
LEFT JOIN checkpoints c ON c.run = n.run AND c.node = n.node AND c.input_hash = n.input_hash;
