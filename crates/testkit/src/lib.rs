//! A fake upstream and other stand-ins, for tests and the demo.
