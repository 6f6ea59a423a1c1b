//! One upstream API each: where it lives, how it wants to be authenticated, how bytes get there and back.
//!
//! Never chooses a model, never retries, never reads a prompt. What a body says is `wire`'s business; here it is bytes.
//! Redirects are not followed: a provider's answer must not send a key to another host.

mod aws;
mod endpoint;
mod event_stream;
mod google;
mod hosted;
mod http_provider;
mod line;
mod pool;
mod poster;
mod renewing;
mod together;

pub use aws::{AwsAccount, Source as AwsSource};
pub use endpoint::{Auth, Dialect, Endpoint, EndpointError};
pub use google::GoogleAccount;
pub use http_provider::HttpProvider;
pub use poster::{PostError, Poster};
pub use together::Together;
