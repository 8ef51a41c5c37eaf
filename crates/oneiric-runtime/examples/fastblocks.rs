//! Components as FastBlocks wants them: a domain of one's own, providers to choose from, settings.
//!
//! `cargo run -p oneiric-runtime --example fastblocks`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use oneiric_core::linked::Linked;
use oneiric_core::resolver::Query;
use oneiric_core::{Blueprint, Component, Domain, Fault, Instance, Role};
use oneiric_runtime::Oneiric;
use serde::Deserialize;
use serde_json::json;

const FASTBLOCKS: Domain = Domain::from_static("fastblocks");

trait TemplateRenderer: Send + Sync {
    fn render(&self, name: &str) -> String;
}
impl Role for dyn TemplateRenderer {
    const NAME: &'static str = "template renderer";
    const DOMAIN: Domain = FASTBLOCKS;
}

#[derive(Deserialize)]
struct Templates {
    folder: String,
    suffix: String,
}
impl Component for Templates {}
impl TemplateRenderer for Templates {
    fn render(&self, name: &str) -> String {
        format!("<!-- {}/{name}.{} -->", self.folder, self.suffix)
    }
}

/// A factory: settings in, instance out. A setting that is missing or wrong is named in the error.
fn templates(blueprint: &Blueprint) -> Result<Instance, Fault> {
    let renderer = Arc::new(blueprint.read::<Templates>()?);
    Ok(Instance::new(renderer.clone()).plays::<dyn TemplateRenderer>(renderer))
}

/// A struct can be a role itself: what is asked for is then that struct.
struct Site {
    title: &'static str,
}
impl Role for Site {
    const NAME: &'static str = "site";
    const DOMAIN: Domain = FASTBLOCKS;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As it would stand in a file.
    let settings = json!({"domains": {"fastblocks": {
        "selections": {"templates": "jinja"},
        "provider_settings": {"jinja": {"folder": "site/templates", "suffix": "html"},
                              "htmy": {"folder": "site/parts", "suffix": "py"}},
    }}});
    let oneiric = Oneiric::builder()
        .component(Linked::new(FASTBLOCKS, "templates", templates).provider("jinja"))
        .component(Linked::new(FASTBLOCKS, "templates", templates).provider("htmy"))
        .component(Linked::shared("site", Arc::new(Site { title: "Blocks" })))
        .settings(serde_json::from_value(settings)?)
        .start()
        .await?;

    let site = oneiric.get::<Site>("fastblocks", "site").await?;
    let renderer = oneiric.get::<dyn TemplateRenderer>("fastblocks", "templates").await?;
    println!("{}: {}", site.current()?.title, renderer.current()?.render("index"));

    oneiric.swap_to("fastblocks", "templates", "htmy").await?;
    println!("{}: {}", site.current()?.title, renderer.current()?.render("index"));
    for candidate in oneiric.explain(renderer.domain(), renderer.key(), &Query::default()).ordered {
        println!("  {}: {}", candidate.provider, candidate.reasons.join(", "));
    }
    oneiric.shutdown(std::time::Duration::from_secs(5)).await?;
    Ok(())
}
