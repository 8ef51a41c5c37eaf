//! What was asked by HTTP, counted.
//!
//! A route is counted under its pattern, and whatever is no route under one word: no client makes a series.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use oneiric_core::Clock;
use oneiric_core::metrics::{Family, Kind, OTHER, Series, Timing};
use oneiric_runtime::health::HealthSource;

/// What is counted of the requests of a process.
#[derive(Debug)]
pub(crate) struct Traffic {
    clock: Arc<dyn Clock>,
    /// By route, method and status.
    answered: Series<(String, &'static str, u16), AtomicU64>,
    /// By route, until the head of the answer.
    took: Series<String, Timing>,
    under_way: AtomicU64,
}

impl Traffic {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            answered: Series::new((OTHER.to_owned(), OTHER, 0)),
            took: Series::new(OTHER.to_owned()),
            under_way: AtomicU64::new(0),
        }
    }
}

/// Uncounts a request, also where nobody waits for its answer any more.
struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Around every request.
pub(crate) async fn count(State(traffic): State<Arc<Traffic>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(OTHER, MatchedPath::as_str).to_owned();
    let method = method(request.method());
    traffic.under_way.fetch_add(1, Ordering::Relaxed);
    let under_way = UnderWay(&traffic.under_way);
    let began = traffic.clock.monotonic();
    let answer = next.run(request).await;
    drop(under_way);
    traffic.took.at(&route).add(traffic.clock.monotonic().saturating_sub(began));
    traffic.answered.at(&(route, method, answer.status().as_u16())).fetch_add(1, Ordering::Relaxed);
    answer
}

/// Clients may make up methods.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

impl HealthSource for Traffic {
    #[expect(clippy::cast_precision_loss, reason = "nothing is counted to 2^53")]
    fn metrics(&self) -> Vec<Family> {
        let mut answered = Family::new("http_requests_total", Kind::Counter, "Requests that were answered.");
        for ((route, method, code), count) in self.answered.all() {
            let code = if code == 0 { OTHER.to_owned() } else { code.to_string() };
            let labels = [("route", &*route), ("method", method), ("code", &*code)];
            answered.push(labels, count.load(Ordering::Relaxed) as f64);
        }
        let help = "How long requests took until the head of their answer.";
        let mut took = Family::new("http_request_duration_seconds", Kind::Histogram, help);
        for (route, timing) in self.took.all() {
            took.put([("route", &*route)], timing.read().in_seconds());
        }
        let under_way =
            Family::new("http_requests_in_flight", Kind::Gauge, "Requests that are not answered yet.");
        vec![answered, took, under_way.of(self.under_way.load(Ordering::Relaxed) as f64)]
    }
}
