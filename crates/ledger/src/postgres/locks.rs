//! Numbers of PostgreSQL's advisory locks: who has one does what only one may do at a time. Those of a session last until
//! its connection ends in any way, those of a transaction until that ends.

/// First half of all our locks: "tier" in ASCII.
pub(super) const CLASS: i32 = 0x7469_6572;

/// Makes or upgrades the schema (transaction).
pub(super) const SCHEMA: i32 = 0;
/// Makes partitions (transaction).
pub(super) const PARTITIONS: i32 = 1;
/// Forgets old rows (transaction).
pub(super) const RETENTION: i32 = 2;
/// Claims a number of a process (transaction).
pub(super) const PROCESSES: i32 = 3;
/// Leads in background work (session).
pub(super) const LEADER: i32 = 4;
/// Is the writer of a number (session): this and the number.
pub(super) const WRITERS: i32 = 1_000;
