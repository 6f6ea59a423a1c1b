//! The environment of this process, as far as configs and keys come from it.

/// A variable, if it is set. What is no UTF-8 in it becomes U+FFFD: such a value is there, and whoever checks it says what is
/// wrong with it, instead of that it is not set.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|text| text.to_string_lossy().into_owned())
}
