//! The providers of a config, made ready once for all workers: keys are read here, so that all workers use the same.

use crate::credentials;
use crate::error::GatewayError;
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tierway::{RouterBuilder, Timeouts, Upstream};
use tierway_config::{Config, KeyError, ProviderConfig};
use tierway_decide::{Limits, Target};
use tierway_providers::{Endpoint, EndpointError, HttpProvider};
use tierway_wire::Vocabulary;

/// What becomes of a provider whose key cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutKey {
    /// It is left in: it refuses its calls, which then go elsewhere.
    Serves,
    /// The config is not taken: the one in force has a key that may be good.
    Refused,
}

/// All providers, checked.
pub(crate) struct Upstreams(Vec<(Endpoint, Timeouts)>);

impl Upstreams {
    /// Reads each key once.
    ///
    /// # Errors
    /// [`GatewayError::Provider`] for what cannot be an address, a header or a key.
    pub(crate) fn prepare(config: &Config, without_key: WithoutKey) -> Result<Self, GatewayError> {
        let prepare = |provider| Ok((endpoint(provider, without_key)?, timeouts(provider)));
        config.providers.iter().map(prepare).collect::<Result<_, _>>().map(Self)
    }

    /// Adds them to a router, with connections of its own.
    ///
    /// # Errors
    /// [`GatewayError::Provider`].
    pub(crate) fn add_to(&self, mut router: RouterBuilder) -> Result<RouterBuilder, GatewayError> {
        for (endpoint, timeouts) in &self.0 {
            let name = &endpoint.name;
            let provider = HttpProvider::new(endpoint.clone()).map_err(failed(name))?;
            router = router.upstream(name, Upstream { provider: Arc::new(provider), timeouts: *timeouts });
        }
        Ok(router)
    }
}

/// Models that are on no tier: what they cost and can do, by the catalogue.
pub(crate) fn foreign(config: &Config) -> Arc<impl Fn(&str, &str) -> Option<Target> + Send + Sync + use<>> {
    let prices = config.prices.clone();
    let formats: BTreeMap<_, _> =
        config.providers.iter().map(|p| (p.name.clone(), (p.catalogue(), p.format))).collect();
    Arc::new(move |provider: &str, model: &str| {
        let (catalogue, format) = formats.get(provider)?;
        let facts = prices.lookup(*catalogue, model).unwrap_or_default();
        Some(Target {
            provider: provider.into(),
            model: model.into(),
            format: *format,
            effort: None,
            weight: 1,
            prices: facts.prices,
            limits: Limits { vocabulary: Vocabulary::of_model(model), ..facts.limits },
            capabilities: facts.capabilities,
            parameters: facts.parameters,
            shutdown: facts.shutdown,
        })
    })
}

fn failed(provider: &str) -> impl Fn(EndpointError) -> GatewayError {
    move |cause| GatewayError::Provider { provider: provider.to_owned(), cause }
}

fn endpoint(provider: &ProviderConfig, without_key: WithoutKey) -> Result<Endpoint, GatewayError> {
    let failed = failed(&provider.name);
    let key = match credentials::read(&provider.key) {
        Ok(key) => key,
        Err(cause) if without_key == WithoutKey::Refused && !matches!(cause, KeyError::Env(_)) => {
            return Err(failed(EndpointError::BadCredentials(cause.to_string())));
        }
        Err(cause) => {
            // The others are told before the start, without running a program twice.
            if matches!(cause, KeyError::Command { .. }) {
                tracing::warn!(provider = provider.name, %cause, "a provider is without its key");
            }
            None
        }
    };
    let auth = credentials::auth(provider, key).map_err(|cause| failed(EndpointError::BadCredentials(cause)))?;
    let mut headers = Vec::new();
    for (name, value) in &provider.headers {
        let name = HeaderName::try_from(name).map_err(|_| failed(EndpointError::BadHeader(name.clone())))?;
        let value = HeaderValue::try_from(value).map_err(|_| failed(EndpointError::BadHeader(name.to_string())))?;
        headers.push((name, value));
    }
    Ok(Endpoint {
        name: provider.name.clone(),
        format: provider.format,
        base_url: provider.base_url.as_str().to_owned(),
        auth,
        dialect: credentials::dialect(provider),
        headers,
        connect_timeout: Duration::from_millis(provider.connect_ms.into()),
        http2_only: provider.http2,
        max_idle_connections: provider.max_idle_connections as usize,
    })
}

fn timeouts(provider: &ProviderConfig) -> Timeouts {
    Timeouts {
        first_byte: Duration::from_millis(provider.first_byte_ms.into()),
        between_chunks: Duration::from_millis(provider.between_chunks_ms.into()),
        total: Duration::from_millis(provider.total_ms.into()),
    }
}
