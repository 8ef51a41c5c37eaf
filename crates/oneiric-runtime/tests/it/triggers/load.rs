//! Triggers of workflows that are not there.

use oneiric_core::linked::{Linked, handler_fn};
use oneiric_core::roles::Envelope;
use oneiric_core::{Fault, Payload};
use oneiric_runtime::{Error, Kind, ManifestFile, Oneiric};
use serde_json::json;

const HANDLER: &str = "entries:
- domain: event
  key: shop.events
  provider: shop
  factory: builtin:noop
  metadata: {workflows: {triggers: [shop.fulfill, {workflow: shop.nothing}]}}
";

const WORKFLOW: &str = "entries:
- {domain: workflow, key: shop.fulfil, provider: shop, factory: 'builtin:noop', dag: {nodes: [{id: a, task: t}]}}
";

#[test]
fn a_trigger_of_an_unknown_workflow_is_told_with_its_place() {
    let load = |files: &[(&str, String)]| {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into_bytes()));
        files.fold(Oneiric::builder(), |builder, (name, text)| builder.manifest_text(name, text)).load()
    };
    let both = [("a.yaml", HANDLER.to_owned()), ("b.yaml", WORKFLOW.to_owned())];
    let error = load(&both).unwrap_err();
    assert_eq!(error.kind(), Kind::Resolution);
    let Error::UnknownWorkflow { problems, .. } = error else { panic!("{error}") };
    let told: Vec<String> = problems.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a.yaml:2:3: a trigger of event handler `shop.events`: workflow `shop.fulfill` is unknown, \
             did you mean `shop.fulfil`? (add an entry of domain `workflow` with that key to a manifest, or \
             correct `metadata.workflows.triggers`)",
            "a.yaml:2:3: a trigger of event handler `shop.events`: workflow `shop.nothing` is unknown \
             (add an entry of domain `workflow` with that key to a manifest, or correct \
             `metadata.workflows.triggers`)",
        ]
    );
    // Whichever manifest has it, before or behind.
    let right = HANDLER.replace("fulfill", "fulfil").replace(", {workflow: shop.nothing}", "");
    load(&[("a.yaml", right.clone()), ("b.yaml", WORKFLOW.to_owned())]).unwrap();
    load(&[("b.yaml", WORKFLOW.to_owned()), ("a.yaml", right)]).unwrap();
}

#[test]
fn a_linked_handler_is_told_as_well() {
    let handler = handler_fn(|_: Envelope| async { Ok::<_, Fault>(Payload::NULL) });
    let linked = Linked::handler("shop.events", handler).describe(|it| {
        it.metadata.insert("workflows".to_owned(), json!({"triggers": ["shop.fulfil"]}));
    });
    let error = Oneiric::builder().component(linked).load().unwrap_err();
    assert!(error.to_string().starts_with("workflow `shop.fulfil` is unknown"), "{error}");
}

#[tokio::test]
async fn manifests_that_lack_it_do_not_take_over() {
    let right = HANDLER.replace("fulfill, {workflow: shop.nothing}", "fulfil");
    let files = |workflows: &str| {
        vec![
            ManifestFile::new("a.yaml", right.clone().into_bytes()),
            ManifestFile::new("b.yaml", workflows.to_owned().into_bytes()),
        ]
    };
    let load =
        |builder: oneiric_runtime::Builder, file: ManifestFile| builder.manifest_text(file.name, file.bytes);
    let oneiric = files(WORKFLOW).into_iter().fold(Oneiric::builder(), load).start().await.unwrap();
    let error = oneiric.reload(files(&WORKFLOW.replace("shop.fulfil,", "shop.other,"))).await.unwrap_err();
    assert!(error.to_string().contains("workflow `shop.fulfil` is unknown"), "{error}");
    assert!(oneiric.catalog().workflow(&"shop.fulfil".parse().unwrap(), None).is_ok(), "nothing has changed");
}
