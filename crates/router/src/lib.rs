//! The walk of one request: decide, call, relay, record. The public library.
