//! One upstream API each: connect, send, receive.
