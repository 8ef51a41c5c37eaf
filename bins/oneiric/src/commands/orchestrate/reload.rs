//! Reading the manifests again, while the process lives.

use oneiric_runtime::{Alteration, Oneiric, read_manifest};

use crate::session::{self, Session};

/// Reads the manifests again. What is wrong with them changes nothing.
pub(super) async fn reload(session: &Session, oneiric: &Oneiric) {
    let files = session.manifests.iter().map(|path| read_manifest(path)).collect::<Result<Vec<_>, _>>();
    let reloaded = match files {
        Ok(files) => oneiric.reload(files).await,
        Err(error) => Err(error),
    };
    let reloaded = match reloaded {
        Ok(reloaded) => reloaded,
        Err(error) => {
            tracing::error!(%error, "the manifests cannot be read again; those that were read before count");
            return;
        }
    };
    let names = |alteration| reloaded.names(alteration).collect::<Vec<_>>().join(", ");
    tracing::info!(
        manifests = session.manifests.len(),
        added = names(Alteration::Added),
        removed = names(Alteration::Removed),
        changed = names(Alteration::Changed),
        "the manifests were read again"
    );
    for (domain, key, swapped) in &reloaded.swapped {
        if let Err(error) = swapped {
            tracing::warn!(%domain, %key, %error, "a component did not come up; the one before goes on serving");
        }
    }
    session::warn_of_unmet(oneiric.lifecycle().registry().as_ref());
}
