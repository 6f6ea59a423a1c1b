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
