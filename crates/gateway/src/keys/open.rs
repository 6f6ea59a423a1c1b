//! While nobody needs a key: everything on this machine may ask, and that takes in the pages that somebody's browser shows.
//! What such a page sends to a router that is none of its own is refused: it would spend its operator's money.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri};
use std::net::IpAddr;

/// The request comes from another site's page, or goes to a name that such a site may have given to this machine ("DNS
/// rebinding"). Browsers say where a request comes from, other clients say nothing.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let from_elsewhere = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(site) => site != b"same-origin" && site != b"none",
        None => headers.get(ORIGIN).is_some_and(|origin| {
            let origin = Uri::try_from(origin.as_bytes()).ok();
            origin.as_ref().and_then(Uri::authority) != host.as_ref()
        }),
    };
    from_elsewhere || host.is_some_and(|host| is_public(host.host()))
}

/// A name that anybody can have: no address, and none of those that are never given away (RFC 6761, RFC 6762, ICANN's
/// `internal`, which containers call their host by).
fn is_public(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let of_the_house = [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end));
    name.contains('.') && address.parse::<IpAddr>().is_err() && !of_the_house
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_others_are_told_from_programs_and_our_own() {
        for (headers, want) in [
            (vec![], false),
            (vec![("host", "127.0.0.1:8484")], false),
            (vec![("host", "[::1]:8484")], false),
            (vec![("host", "localhost:8484"), ("origin", "http://localhost:8484")], false),
            (vec![("host", "LocalHost:8484"), ("sec-fetch-site", "none")], false),
            (vec![("host", "a.localhost"), ("sec-fetch-site", "same-origin")], false),
            (vec![("host", "tierway:8484")], false),
            (vec![("host", "host.docker.internal:8484")], false),
            // HTTP/2 names no host here.
            (vec![("origin", "https://localhost:8484"), ("sec-fetch-site", "same-origin")], false),
            (vec![("host", "localhost:8484"), ("sec-fetch-site", "cross-site")], true),
            (vec![("host", "localhost:8484"), ("sec-fetch-site", "same-site")], true),
            (vec![("host", "localhost:8484"), ("origin", "http://localhost:3000")], true),
            (vec![("host", "localhost:8484"), ("origin", "https://evil.example")], true),
            (vec![("host", "localhost:8484"), ("origin", "null")], true),
            (vec![("host", "evil.example:8484"), ("origin", "http://evil.example:8484")], true),
            (vec![("host", "evil.example.:8484")], true),
        ] {
            let map: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(is_foreign(&map), want, "{headers:?}");
        }
    }
}
