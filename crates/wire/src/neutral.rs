//! The neutral form: everything that a request, an answer or a stream says, owned, in no API's words.
