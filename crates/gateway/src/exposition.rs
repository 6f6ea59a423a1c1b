//! The two forms in which scrapers read metrics: OpenMetrics, and Prometheus' own text of before, which is what a client gets that
//! asks for neither. They differ in how counters are announced and in how a page ends.
//! Sources: OpenMetrics 1.0; Prometheus, "Exposition formats", text format 0.0.4.

use http::HeaderMap;
use http::header::ACCEPT;

/// The page as this client reads it, and its content type. `page` is OpenMetrics.
pub(crate) fn negotiated(page: String, headers: &HeaderMap) -> (&'static str, String) {
    let asked = |accept: &str| accept.contains("application/openmetrics-text");
    if headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).any(asked) {
        return ("application/openmetrics-text; version=1.0.0; charset=utf-8", page);
    }
    ("text/plain; version=0.0.4; charset=utf-8", classic(&page))
}

/// Counters are announced under the name of their samples, units and the end not at all.
fn classic(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "EOF"] | ["#", "UNIT", ..] => continue,
            ["#", "HELP", name, text] => {
                let is_counter = lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"));
                out += &format!("# HELP {name}{} {text}", if is_counter { "_total" } else { "" });
            }
            ["#", "TYPE", name, "counter"] => out += &format!("# TYPE {name}_total counter"),
            _ => out += line,
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP calls All calls.\n# TYPE calls counter\ncalls_total{tier=\"a\"} 3\n# HELP open Open.\n# TYPE open gauge\n\
                        # UNIT open things\nopen 1\n# EOF\n";

    #[test]
    fn each_scraper_gets_what_it_reads() {
        let mut headers = HeaderMap::new();
        for (accept, openmetrics) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain;version=0.0.4"), false),
            (Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"), true),
        ] {
            headers.remove(ACCEPT);
            headers.extend(accept.map(|accept| (ACCEPT, accept.parse().unwrap())));
            let (content_type, page) = negotiated(PAGE.into(), &headers);
            assert_eq!((content_type.contains("openmetrics"), page == PAGE), (openmetrics, openmetrics), "{accept:?}");
        }
        assert_eq!(
            classic(PAGE),
            "# HELP calls_total All calls.\n# TYPE calls_total counter\ncalls_total{tier=\"a\"} 3\n# HELP open Open.\n\
             # TYPE open gauge\nopen 1\n"
        );
    }
}
