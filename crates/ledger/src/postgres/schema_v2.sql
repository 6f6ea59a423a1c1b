-- Version 2: state beside the call records. Times in milliseconds since 1970 UTC, money in units of 1e-12 US dollars.

-- Keys of clients. What a key may do is JSON (`KeyPolicy`); the keys themselves are nowhere, only their digests.
CREATE TABLE keys (
    name text PRIMARY KEY,
    policy text NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint,
    revoked_ms bigint
);

-- A key that is rotated has two for a while.
CREATE TABLE key_secrets (
    digest bytea PRIMARY KEY,           -- SHA-256
    key text NOT NULL REFERENCES keys (name),
    created_ms bigint NOT NULL,
    expires_ms bigint
);

-- Rises with every change of a kind of state, so that a running gateway sees a change by asking for one number.
CREATE TABLE revisions (
    kind text PRIMARY KEY,
    revision bigint NOT NULL
);
INSERT INTO revisions (kind, revision) VALUES ('keys', 0);

-- Numbers of processes in the ids of requests, and when each was last in use: none is given again for a day.
CREATE TABLE processes (
    number smallint PRIMARY KEY,
    seen timestamptz NOT NULL
);
