//! The store of call records: schema, batched writer, queries.
