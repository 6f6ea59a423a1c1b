//! Text in, checked tables out: every problem with file, line and mend.
