//! The document about all routes, and a page to read it.

use std::borrow::Cow;

use crate::access::Access;
use crate::openapi;
use crate::route::Route;
use crate::shown::Text;

/// The page loads its own style and script and asks its own process for the document; nothing else.
const PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is no page loads nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", Access::Open, "This document.", document),
        Route::get("/docs", Access::Open, "This document, for people.", page),
        Route::get("/docs/page.css", Access::Open, "The style of the page.", style),
        Route::get("/docs/page.js", Access::Open, "The script of the page.", script),
    ]
}

async fn document() -> Text {
    Text { kind: "application/json", text: Cow::Borrowed(openapi::text()), policy: NOTHING }
}

async fn page() -> Text {
    let text = Cow::Borrowed(include_str!("docs/page.html"));
    Text { kind: "text/html; charset=utf-8", text, policy: PAGE }
}

async fn style() -> Text {
    let text = Cow::Borrowed(include_str!("docs/page.css"));
    Text { kind: "text/css; charset=utf-8", text, policy: NOTHING }
}

async fn script() -> Text {
    let text = Cow::Borrowed(include_str!("docs/page.js"));
    Text { kind: "text/javascript; charset=utf-8", text, policy: NOTHING }
}
