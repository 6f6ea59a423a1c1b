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
    reason INTEGER NOT NULL,            -- see reasons in calls_readable
    complexity INTEGER NOT NULL,        -- 0 simple, 1 medium, 2 complex, 3 reasoning
    task_type INTEGER NOT NULL,         -- see calls_readable
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
