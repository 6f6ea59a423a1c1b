//! AWS: credentials, and Signature Version 4 on every call to Bedrock.
//!
//! Credentials come as `aws configure export-credentials` prints them (and any `credential_process`), and are had again
//! from where they came when they run out. The signature itself is computed by Amazon's own crate.

use crate::renewing::{Renewing, Until};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use serde::Deserialize;
use std::sync::Arc;
use std::time::SystemTime;
use zeroize::Zeroizing;

const SERVICE: &str = "bedrock";

/// Gets credentials anew, such as by running the operator's program; may block, so it is called off the request's core.
pub type Source = Arc<dyn Fn() -> Result<Zeroizing<String>, String> + Send + Sync>;

/// Whose calls are signed.
pub struct AwsAccount {
    region: String,
    source: Source,
    credentials: Renewing<Credentials>,
}

/// The shape of a `credential_process`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    expiration: Option<jiff::Timestamp>,
}

impl AwsAccount {
    /// For calls to one region.
    #[must_use]
    pub const fn new(region: String, source: Source) -> Self {
        Self { region, source, credentials: Renewing::new() }
    }

    /// Signs a request to this address, whose headers and body are final.
    pub(crate) async fn sign(&self, request: &mut Request<Full<Bytes>>, url: &str, body: &[u8]) -> Result<(), String> {
        let identity = Identity::from(self.credentials.get(self.renew()).await?);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| format!("cannot sign for AWS: {error}"))?
            .into();
        // What proxies may change stays unsigned.
        let signed = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let headers = signed.map(|value| (CONTENT_TYPE.as_str(), value)).into_iter();
        let signable = SignableRequest::new(request.method().as_str(), url, headers, SignableBody::Bytes(body))
            .map_err(|error| format!("cannot sign for AWS: {error}"))?;
        let (instructions, _) =
            sign(signable, &params).map_err(|error| format!("cannot sign for AWS: {error}"))?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }

    async fn renew(&self) -> Result<Until<Credentials>, String> {
        let source = Arc::clone(&self.source);
        let text = tokio::task::spawn_blocking(move || source()).await;
        let text = text.map_err(|error| format!("the source of the AWS credentials failed: {error}"))??;
        read(&text)
    }
}

fn read(text: &str) -> Result<Until<Credentials>, String> {
    let printed: Printed = serde_json::from_str(text).map_err(|_| {
        "the AWS credentials are not what `aws configure export-credentials` prints (JSON with AccessKeyId and \
         SecretAccessKey)"
            .to_owned()
    })?;
    let until = printed.expiration.map(SystemTime::from);
    let session = printed.session_token.map(|token| token.to_string());
    let secret = printed.secret_access_key.as_str();
    Ok((Credentials::new(printed.access_key_id, secret, session, until, "tierway"), until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_the_command_prints_them() {
        let text = r#"{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"s","SessionToken":"t","Expiration":"2026-11-26T10:00:00+00:00"}"#;
        let (credentials, until) = read(text).ok().unzip();
        let credentials = credentials.as_ref();
        assert_eq!(credentials.map(Credentials::access_key_id), Some("AKID"));
        assert_eq!(credentials.and_then(|credentials| credentials.session_token()), Some("t"));
        assert!(until.flatten().is_some());
        let refused = read(r#"{"AccessKeyId":"AKID","SecretAccessKeyy":"hush"}"#).err().unwrap_or_default();
        assert!(refused.contains("export-credentials") && !refused.contains("hush"), "{refused}");
    }
}
