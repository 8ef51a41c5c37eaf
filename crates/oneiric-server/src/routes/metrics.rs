//! What the process has counted.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use oneiric_core::metrics::{OPEN_METRICS, PROMETHEUS, in_base_units, open_metrics, prometheus};
use oneiric_core::settings::HttpScope;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::Access;
use crate::app::App;
use crate::read::Query;
use crate::route::Route;
use crate::shown::Text;

/// What is no page loads nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Vec<Route> {
    let summary = "What the process has counted: Prometheus text, or OpenMetrics where that is accepted.";
    vec![Route::get("/metrics", Access::Scope(HttpScope::Read), summary, metrics)]
}

/// `?units=base`: durations in seconds, under names that say so.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Units {
    /// Upstream's names, some of which are in milliseconds.
    #[default]
    Upstream,
    /// As Prometheus' rules for names want it.
    Base,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    /// Which names durations have.
    units: Units,
}

async fn metrics(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Text {
    let families = app.oneiric().metrics().await;
    let families = match asked.units {
        Units::Upstream => families,
        Units::Base => in_base_units(families),
    };
    let (kind, text) = if wants_open_metrics(&headers) {
        (OPEN_METRICS, open_metrics(&families))
    } else {
        (PROMETHEUS, prometheus(&families))
    };
    Text { kind, text: Cow::Owned(text), policy: NOTHING }
}

/// Whether the client prefers OpenMetrics to plain text. Prometheus' own header says so by weights.
fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut open, mut plain) = (0.0_f32, 0.0_f32);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight =
            parts.filter_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).next().unwrap_or(1.0);
        match kind.as_str() {
            "application/openmetrics-text" => open = open.max(weight),
            "text/plain" | "text/*" | "*/*" => plain = plain.max(weight),
            _ => {}
        }
    }
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_the_client_prefers() {
        let check = |accept: Option<&'static str>, expected: bool| {
            let headers = accept.map(|text| (header::ACCEPT, text.parse().unwrap()));
            assert_eq!(wants_open_metrics(&headers.into_iter().collect()), expected, "{accept:?}");
        };
        check(None, false);
        check(Some("*/*"), false);
        check(Some("text/plain;version=0.0.4"), false);
        check(Some("application/openmetrics-text"), true);
        check(
            Some(
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            true,
        );
        check(Some("text/plain,application/openmetrics-text;q=0.2"), false);
        check(Some("application/openmetrics-text;q=0"), false);
    }
}
