//! `/dashboard`: a few files, compiled in. They hold no figure: whatever they show they ask `/api/v1` for, with the key of
//! whoever looks, so they are given to everybody.

use crate::app::with_type;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use tierway::Reply;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where the pages begin.
pub(crate) const PATH: &str = "/dashboard";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $kind:ident $file:literal,)+) => {
        &[$(($path, $kind, include_str!(concat!("../dashboard/", $file))),)+]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "/dashboard" HTML "index.html",
    "/dashboard/" HTML "index.html",
    "/dashboard/style.css" CSS "style.css",
    "/dashboard/icon.svg" SVG "icon.svg",
    "/dashboard/app.js" SCRIPT "app.js",
    "/dashboard/ask.js" SCRIPT "ask.js",
    "/dashboard/page.js" SCRIPT "page.js",
    "/dashboard/figures.js" SCRIPT "figures.js",
    "/dashboard/plots.js" SCRIPT "plots.js",
    "/dashboard/decision.js" SCRIPT "decision.js",
    "/dashboard/overview.js" SCRIPT "overview.js",
    "/dashboard/savings.js" SCRIPT "savings.js",
    "/dashboard/routes.js" SCRIPT "routes.js",
    "/dashboard/requests.js" SCRIPT "requests.js",
    "/dashboard/request.js" SCRIPT "request.js",
    "/dashboard/playground.js" SCRIPT "playground.js",
    "/dashboard/target.js" SCRIPT "target.js",
    "/dashboard/quality.js" SCRIPT "quality.js",
    "/dashboard/review.js" SCRIPT "review.js",
    "/dashboard/keys.js" SCRIPT "keys.js",
};

fn find(path: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    FILES.iter().find(|(known, ..)| *known == path)
}

pub(crate) fn has(path: &str) -> bool {
    find(path).is_some()
}

pub(crate) fn file(path: &str) -> Reply {
    let (_, kind, text) = find(path).unwrap_or(&FILES[0]);
    let mut reply = with_type(StatusCode::OK, kind, *text);
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // Asked anew after an upgrade; they are small and near.
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        reply.headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}
