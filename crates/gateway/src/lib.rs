//! HTTP in front of the router.
