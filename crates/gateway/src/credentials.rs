//! From a provider's key source to how its calls are authorized.

use http::HeaderName;
use std::sync::Arc;
use tierway_config::{KeyError, KeyHeader, KeySource, ProviderConfig, ProviderKind};
use tierway_providers::{Auth, AwsAccount, AwsSource, Dialect, GoogleAccount};
use zeroize::Zeroizing;

/// The machine's own identity on Google's cloud; the variable is the one that Google's programs know.
const METADATA_HOST: (&str, &str) = ("GCE_METADATA_HOST", "metadata.google.internal");

/// Reads a key where the config says that it is; none when no key is wanted.
///
/// # Errors
/// See [`KeyError`].
pub(crate) fn read(source: &KeySource) -> Result<Option<Zeroizing<String>>, KeyError> {
    let key = source.resolve(&tierway_config::environment)?;
    Ok(key.map(|key| key.expose().clone()))
}

/// How calls to this provider show who asks.
///
/// # Errors
/// When there are credentials that cannot be used.
pub(crate) fn auth(provider: &ProviderConfig, key: Option<Zeroizing<String>>) -> Result<Auth, String> {
    match (provider.kind, key) {
        (ProviderKind::Vertex, Some(key)) if is_json(&key) => {
            Ok(Auth::Google(Arc::new(GoogleAccount::from_json(&key)?)))
        }
        (ProviderKind::Vertex, None) if provider.key == KeySource::Google => {
            let host = std::env::var(METADATA_HOST.0).unwrap_or_else(|_| METADATA_HOST.1.to_owned());
            Ok(Auth::Google(Arc::new(GoogleAccount::of_machine(host))))
        }
        (ProviderKind::Bedrock, Some(key)) if is_json(&key) => {
            let region = provider.region.clone().unwrap_or_default();
            Ok(Auth::Aws(Arc::new(AwsAccount::new(region, again(provider.key.clone())))))
        }
        (_, None) => Ok(Auth::None),
        (_, Some(key)) => Ok(match provider.key_header() {
            KeyHeader::Bearer => Auth::Bearer(key),
            KeyHeader::Named(name) => Auth::Header(HeaderName::from_static(name), key),
        }),
    }
}

/// Where the paths of this provider differ from its API's own.
pub(crate) fn dialect(provider: &ProviderConfig) -> Dialect {
    match (provider.kind, &provider.api_version) {
        (ProviderKind::Azure, Some(api_version)) => Dialect::Azure { api_version: api_version.clone() },
        (ProviderKind::Vertex, _) => Dialect::Vertex {
            project: provider.project.clone().unwrap_or_default(),
            location: provider.region.clone().unwrap_or_default(),
        },
        (ProviderKind::Bedrock, _) => Dialect::Bedrock,
        _ => Dialect::Direct,
    }
}

/// The same source asked again, when what it gave runs out.
fn again(source: KeySource) -> AwsSource {
    Arc::new(move || match read(&source) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err("there are no AWS credentials".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

fn is_json(key: &str) -> bool {
    key.trim_start().starts_with('{')
}
