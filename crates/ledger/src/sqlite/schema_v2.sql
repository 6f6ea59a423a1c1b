-- Version 2: state beside the call records. Times in milliseconds since 1970 UTC, money in units of 1e-12 US dollars.

-- Keys of clients. What a key may do is JSON (`KeyPolicy`); the keys themselves are nowhere, only their digests.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    policy TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

-- A key that is rotated has two for a while.
CREATE TABLE key_secrets (
    digest BLOB PRIMARY KEY,            -- SHA-256
    key TEXT NOT NULL REFERENCES keys (name),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Rises with every change of a kind of state, so that a running gateway sees a change by asking for one number.
CREATE TABLE revisions (
    kind TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO revisions (kind, revision) VALUES ('keys', 0);

-- Quality: which answered requests were looked at, and what was found. -------------------------------------------------------

-- One row for each sampled request. Texts are kept only while their keeper allows it; the rest stays.
CREATE TABLE samples (
    id INTEGER PRIMARY KEY,             -- the request's
    taken_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- 0 went to a cheap tier, 1 would have but was held, 2 went to the baseline, 3 a rule sent it
                                        -- to a cheap tier
    task_type INTEGER NOT NULL,
    complexity INTEGER NOT NULL,
    tier TEXT NOT NULL,                 -- the cheap tier of the comparison
    cheap_model TEXT NOT NULL,
    baseline_model TEXT NOT NULL,
    format TEXT NOT NULL,               -- the API that the client spoke
    key TEXT NOT NULL,
    chance REAL NOT NULL,               -- of being looked at
    weight REAL NOT NULL,               -- beside others of the same design
    state INTEGER NOT NULL,             -- 0 waits, 1 judged, 2 given up
    why TEXT NOT NULL,                  -- it was given up; how it was judged
    done_ms INTEGER,
    judge TEXT NOT NULL,                -- model that judged; empty for a check
    one INTEGER,                        -- first look: 0 cheap is better, 1 as good, 2 baseline is better
    other INTEGER,                      -- second look, places changed
    shadow_id INTEGER,                  -- the call record of the second answer
    cheap_tokens INTEGER,               -- output tokens, reasoning included
    baseline_tokens INTEGER,
    cost INTEGER NOT NULL,              -- shadow and judge
    request TEXT,
    cheap_answer TEXT,
    baseline_answer TEXT,
    text_until_ms INTEGER
) STRICT;
CREATE INDEX samples_done ON samples (done_ms) WHERE state = 1;
CREATE INDEX samples_waiting ON samples (id) WHERE state = 0;
CREATE INDEX samples_taken ON samples (taken_ms);
CREATE INDEX samples_text ON samples (text_until_ms) WHERE text_until_ms IS NOT NULL;

-- What people said of a sampled pair.
CREATE TABLE labels (
    id INTEGER NOT NULL,                -- the request's
    reviewer TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    word INTEGER NOT NULL,              -- as samples.one
    PRIMARY KEY (id, reviewer)
) STRICT, WITHOUT ROWID;

-- What callers said of their answers.
CREATE TABLE feedback (
    id INTEGER PRIMARY KEY,             -- the request's
    key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    score REAL NOT NULL,                -- 0..1; thumbs are 0 and 1
    comment TEXT NOT NULL
) STRICT;

-- Every change of a cell (kind of work in a tier); the last one of a cell is in force.
CREATE TABLE cell_changes (
    version INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    task_type INTEGER NOT NULL,
    tier TEXT NOT NULL,
    was TEXT NOT NULL,                  -- open, proven, held
    state TEXT NOT NULL,
    author TEXT NOT NULL,               -- evidence, config, or who
    why TEXT NOT NULL,
    verdicts INTEGER NOT NULL,          -- since the change before
    quality REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL
) STRICT;
CREATE INDEX cell_changes_cell ON cell_changes (task_type, tier, version);

CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    task_type INTEGER,                  -- null: all kinds of work together
    tier TEXT NOT NULL,
    words TEXT NOT NULL,
    delivered INTEGER NOT NULL          -- 0 not yet, 1 to the webhook, 2 nowhere to send it
) STRICT;

-- Evidence that calibration wrote, each version whole; the newest is in force.
CREATE TABLE evidence_versions (
    version INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    why TEXT NOT NULL,
    outcomes INTEGER NOT NULL,
    in_force INTEGER NOT NULL,          -- always 1, not read
    evidence TEXT NOT NULL
) STRICT;

-- The reasons of version 2 by name.
DROP VIEW calls_readable;
CREATE VIEW calls_readable AS
SELECT
    calls.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', ((calls.id >> 22) + 1735689600000) / 1000.0, 'unixepoch') AS time_utc,
    CASE status WHEN 0 THEN 'answered' WHEN 1 THEN 'failed' WHEN 2 THEN 'cancelled' ELSE 'refused' END AS status,
    http_status,
    coalesce((SELECT text FROM words WHERE id = key), key) AS key,
    coalesce((SELECT text FROM words WHERE id = team), team) AS team,
    user,
    session,
    coalesce((SELECT text FROM words WHERE id = requested_model), requested_model) AS requested_model,
    coalesce((SELECT text FROM words WHERE id = tier), tier) AS tier,
    coalesce((SELECT text FROM words WHERE id = served_tier), served_tier) AS served_tier,
    coalesce((SELECT text FROM words WHERE id = provider), provider) AS provider,
    coalesce((SELECT text FROM words WHERE id = served_model), served_model) AS served_model,
    CASE reason WHEN 0 THEN 'locked_rule' WHEN 1 THEN 'requested_model' WHEN 2 THEN 'requested_tier'
        WHEN 3 THEN 'caller_tier' WHEN 4 THEN 'rule' WHEN 5 THEN 'predicted' WHEN 6 THEN 'model_asked'
        WHEN 7 THEN 'abstained' WHEN 8 THEN 'session_held' WHEN 9 THEN 'default'
        WHEN 10 THEN 'quality_held' WHEN 11 THEN 'shadow' ELSE 'judge' END AS reason,
    coalesce((SELECT text FROM words WHERE id = rule), rule) AS rule,
    CASE complexity WHEN 0 THEN 'simple' WHEN 1 THEN 'medium' WHEN 2 THEN 'complex' ELSE 'reasoning' END AS complexity,
    CASE task_type WHEN 0 THEN 'qa' WHEN 1 THEN 'summarization' WHEN 2 THEN 'extraction' WHEN 3 THEN 'classification'
        WHEN 4 THEN 'writing' WHEN 5 THEN 'coding' WHEN 6 THEN 'analysis' WHEN 7 THEN 'translation' ELSE 'other' END
        AS task_type,
    score,
    input_tokens,
    output_tokens,
    reasoning_tokens,
    paid / 1e12 AS paid_usd,
    classifier_paid / 1e12 AS classifier_usd,
    baseline / 1e12 AS baseline_usd,
    first_byte_ms,
    total_ms
FROM calls;
