-- The store of call records, version 1. Applied once to an empty file; later versions add their own file.
-- Money is in units of 1e-12 US dollars, times in milliseconds, token counts as the provider reported them.

-- Texts that repeat. A column that says "word" holds an id of this table, or the text itself where the table was full.
CREATE TABLE words (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- One row for each finished request, ordered by the time it came: id = (ms since 2025-01-01 UTC) << 22 | process | counter.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    flags INTEGER NOT NULL,             -- 1 stream, 2 usage is an estimate, 4 calibrated on the operator's outcomes
    status INTEGER NOT NULL,            -- 0 answered, 1 failed, 2 cancelled, 3 refused
    http_status INTEGER NOT NULL,
    reason INTEGER NOT NULL,            -- names: see calls_readable
    complexity INTEGER NOT NULL,        -- 0 simple, 1 medium, 2 complex, 3 reasoning
    task_type INTEGER NOT NULL,         -- names: see calls_readable
    abstain INTEGER NOT NULL,           -- 0 no, 1 no signal, 2 unfamiliar, 3 no ask
    attempts INTEGER NOT NULL,
    format ANY NOT NULL,                -- word
    key ANY NOT NULL,                   -- word
    team ANY NOT NULL,                  -- word
    requested_model ANY NOT NULL,       -- word
    tier ANY NOT NULL,                  -- word: decided; empty when refused before
    served_tier ANY NOT NULL,           -- word: answered
    provider ANY NOT NULL,              -- word
    served_model ANY NOT NULL,          -- word
    rule ANY NOT NULL,                  -- word
    finish ANY NOT NULL,                -- word
    user TEXT NOT NULL,
    session TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    paid INTEGER,                       -- all attempts; null: a price is unknown
    classifier_paid INTEGER NOT NULL,
    baseline INTEGER,
    cheapest INTEGER,
    score REAL NOT NULL,                -- need for the baseline tier over the cheapest, 0..1
    first_byte_ms INTEGER,
    total_ms INTEGER NOT NULL,
    decide_us INTEGER NOT NULL,
    detail BLOB NOT NULL,               -- the rest, packed; first byte: version of the packing
    checksum INTEGER NOT NULL           -- first eight bytes of SHA-256 over all of the above as texts and numbers
) STRICT;

-- The same for people with a SQL shell: texts instead of numbers, time as text, money in dollars.
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
        WHEN 7 THEN 'abstained' WHEN 8 THEN 'session_held' ELSE 'default' END AS reason,
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

-- Sums of calls, so that reports never scan rows. Written in the transaction of the rows that they count.
-- cube: 0 by tier; 1 by tier, provider, model, task type, complexity, reason; 2 by tier, team, key.
-- -1 in a dimension: all of them. Tier is the one that answered, or the decided one where none did.
CREATE TABLE cells (
    cube INTEGER NOT NULL,
    grain INTEGER NOT NULL,             -- 0 hours, 1 days
    start INTEGER NOT NULL,             -- hours or days since 1970-01-01 UTC
    tier INTEGER NOT NULL,              -- word
    provider INTEGER NOT NULL,          -- word
    model INTEGER NOT NULL,             -- word
    task_type INTEGER NOT NULL,
    complexity INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    team INTEGER NOT NULL,              -- word
    key INTEGER NOT NULL,               -- word
    calls INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    moved INTEGER NOT NULL,
    abstained INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    calibrated INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    decide_us INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,          -- of answered calls
    first_byte_ms INTEGER NOT NULL,
    priced_calls INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    passed_calls INTEGER NOT NULL,
    lost_calls INTEGER NOT NULL,
    cheapest_calls INTEGER NOT NULL,
    paid INTEGER NOT NULL,
    classifier INTEGER NOT NULL,
    baseline INTEGER NOT NULL,
    gained INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    cheapest INTEGER NOT NULL,
    cheapest_baseline INTEGER NOT NULL,
    paid_elsewhere INTEGER NOT NULL,
    total_histogram BLOB NOT NULL,      -- milliseconds, packed pairs of (buckets skipped, count)
    first_byte_histogram BLOB NOT NULL,
    PRIMARY KEY (cube, grain, start, tier, provider, model, task_type, complexity, reason, team, key)
) STRICT, WITHOUT ROWID;

-- What the rows of an hour have to add up to.
CREATE TABLE hours (
    hour INTEGER PRIMARY KEY,           -- since 1970-01-01 UTC
    calls INTEGER NOT NULL,
    digest INTEGER NOT NULL,            -- sum of the rows' checksums, modulo 2^64
    expired INTEGER NOT NULL            -- 1: the rows are gone, by the rule of retention
) STRICT;
