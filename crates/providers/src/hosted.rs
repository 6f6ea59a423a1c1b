//! The Messages API as clouds host it: model and stream are said by the path, the version by the body.

use crate::endpoint::Dialect;
use bytes::Bytes;
use http::HeaderMap;
use tierway_wire::splice::{Edit, Fields};

/// The body as Vertex or Bedrock wants it; what belongs into it moves there from the headers. None when it is no object.
pub(crate) fn messages_body(dialect: &Dialect, body: Bytes, headers: &mut HeaderMap) -> Option<Bytes> {
    let edits: fn(&Fields<'_>, &mut HeaderMap) -> Vec<Edit<'static>> = match dialect {
        Dialect::Direct | Dialect::Azure { .. } => return Some(body),
        Dialect::Vertex { .. } => vertex,
        Dialect::Bedrock => bedrock,
    };
    let fields = Fields::parse(&body).ok()?;
    headers.remove("anthropic-version");
    let edits = edits(&fields, headers);
    Some(fields.apply(&edits).into())
}

fn vertex(_: &Fields<'_>, _: &mut HeaderMap) -> Vec<Edit<'static>> {
    vec![Edit::Remove("model"), Edit::Set("anthropic_version", r#""vertex-2023-10-16""#.into())]
}

fn bedrock(fields: &Fields<'_>, headers: &mut HeaderMap) -> Vec<Edit<'static>> {
    let betas = betas(headers);
    headers.remove("anthropic-beta");
    let mut edits = vec![
        Edit::Remove("model"),
        Edit::Remove("stream"),
        Edit::Set("anthropic_version", r#""bedrock-2023-05-31""#.into()),
    ];
    if !betas.is_empty() && fields.get("anthropic_beta").is_none() {
        edits.push(Edit::Set("anthropic_beta", serde_json::json!(betas).to_string().into()));
    }
    edits
}

fn betas(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|beta| beta.trim().to_owned()).filter(|beta| !beta.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_gets_what_its_path_does_not_say() {
        let body = Bytes::from_static(br#"{"model":"m","stream":true,"max_tokens":1.0}"#);
        for (dialect, want, headers_left) in [
            (Dialect::Direct, r#"{"model":"m","stream":true,"max_tokens":1.0}"#, 2),
            (
                Dialect::Bedrock,
                r#"{"max_tokens":1.0,"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a","b"]}"#,
                0,
            ),
            (
                Dialect::Vertex { project: "p".into(), location: "l".into() },
                r#"{"stream":true,"max_tokens":1.0,"anthropic_version":"vertex-2023-10-16"}"#,
                1,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("anthropic-version", "2023-06-01"), ("anthropic-beta", "a, b")] {
                headers.insert(name, http::HeaderValue::from_static(value));
            }
            assert_eq!(
                messages_body(&dialect, body.clone(), &mut headers).as_deref(),
                Some(want.as_bytes()),
                "{dialect:?}"
            );
            assert_eq!(headers.len(), headers_left);
        }
    }
}
