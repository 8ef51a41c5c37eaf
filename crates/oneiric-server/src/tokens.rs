//! The tokens that the store keeps: their records, made, listed and taken back.
//!
//! A record holds the hash of a token, never the token. Nothing is written when one is used.

use oneiric_core::settings::HttpScope;
use oneiric_core::{Digest, Rng, Timestamp};
use oneiric_store::{Batch, CommitError, Extension, Op, Require, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::token::Token;

/// The family of the records.
const FAMILY: &str = "http_token";

/// The most tokens there may be: a list of them is read as a whole.
const MOST: usize = 1000;

/// The longest name of a token, in bytes.
const LONGEST_NAME: usize = 100;

/// What is kept of a token. Shape in the store: `{"name":"ci","sha256":"...","scopes":["operate"],
/// "created_at":1700000000000000,"expires_at":null}`, times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its public part.
    #[serde(skip)]
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Of the whole token.
    pub sha256: Digest,
    /// What it allows.
    pub scopes: Vec<HttpScope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it does not count; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// Why a token was not made, found or taken back.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is one of this name.
    #[error("there is a token `{0}` already; revoke it, or give the new one another name")]
    Taken(String),
    /// Nothing is called so.
    #[error("there is no token `{0}`; `oneiric token list` shows those there are")]
    Unknown(String),
    /// It cannot be called so.
    #[error("`{0}` is no name for a token; take 1 to 100 letters, digits, `.`, `-` or `_`")]
    Name(String),
    /// There are too many.
    #[error("there are {MOST} tokens; revoke those that nobody needs")]
    Full,
    /// What is kept of it is not what this version writes.
    #[error("the record of token `{id}` cannot be read; revoke it and make another one")]
    Unreadable {
        /// Which.
        id: String,
        /// Why.
        #[source]
        error: serde_json::Error,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not take it.
    #[error("the store did not take the token")]
    Commit(#[from] CommitError),
}

/// Makes a token and keeps its hash. When it returns, live processes on the store know it within a second.
///
/// # Errors
/// [`TokenError`]; then there is no new token.
pub async fn create(
    store: &dyn Store,
    rng: &dyn Rng,
    name: Option<&str>,
    scope: HttpScope,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<(Token, TokenRecord), TokenError> {
    let known = store.extensions(FAMILY).await?;
    if known.len() >= MOST {
        return Err(TokenError::Full);
    }
    let token = Token::new(rng);
    let name = name.unwrap_or_else(|| token.id()).to_owned();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(good) {
        return Err(TokenError::Name(name));
    }
    if known.iter().any(|(id, _, bytes)| is_called(id, bytes, &name)) {
        return Err(TokenError::Taken(name));
    }
    let record = TokenRecord {
        id: token.id().to_owned(),
        name,
        sha256: token.digest(),
        scopes: vec![scope],
        created_at: now,
        expires_at,
    };
    let value = Some(serde_json::to_vec(&record).expect("a record is plain data"));
    let (family, key) = (FAMILY.to_owned(), record.id.clone());
    let kept = Extension { family: family.clone(), key: key.clone(), value, at: now };
    let batch =
        Batch::of([Op::Extension(kept)]).require(Require::ExtensionVersion { family, key, version: None });
    store.commit(batch).await?;
    Ok((token, record))
}

/// Those there are, the oldest first.
///
/// # Errors
/// [`TokenError::Store`], [`TokenError::Unreadable`].
pub async fn list(store: &dyn Store) -> Result<Vec<TokenRecord>, TokenError> {
    let records = store.extensions(FAMILY).await?.into_iter().map(|(id, _, bytes)| read(id, &bytes));
    let mut records = records.collect::<Result<Vec<_>, _>>()?;
    records.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(records)
}

/// Takes a token back, by its name or its id. When it returns, live processes on the store refuse it within a
/// second.
///
/// # Errors
/// [`TokenError::Unknown`], or the store's.
pub async fn revoke(store: &dyn Store, named: &str, now: Timestamp) -> Result<Vec<String>, TokenError> {
    let known = store.extensions(FAMILY).await?;
    let meant = known.into_iter().filter(|(id, _, bytes)| is_called(id, bytes, named));
    let meant: Vec<String> = meant.map(|(id, _, _)| id).collect();
    if meant.is_empty() {
        return Err(TokenError::Unknown(named.to_owned()));
    }
    let gone = |id: &String| {
        Op::Extension(Extension { family: FAMILY.to_owned(), key: id.clone(), value: None, at: now })
    };
    store.commit(Batch::of(meant.iter().map(gone))).await?;
    Ok(meant)
}

/// Whether there is any: where there is one, nobody comes in without.
///
/// # Errors
/// [`StoreError`].
pub async fn any(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(!store.extensions(FAMILY).await?.is_empty())
}

/// The one with this id.
pub(crate) async fn find(store: &dyn Store, id: &str) -> Result<Option<TokenRecord>, TokenError> {
    let found = store.extension(FAMILY, id).await?;
    found.map(|(_, bytes)| read(id.to_owned(), &bytes)).transpose()
}

fn read(id: String, bytes: &[u8]) -> Result<TokenRecord, TokenError> {
    match serde_json::from_slice(bytes) {
        Ok(record) => Ok(TokenRecord { id, ..record }),
        Err(error) => Err(TokenError::Unreadable { id, error }),
    }
}

/// One whose record cannot be read has its id for a name, so that it can be revoked.
fn is_called(id: &str, bytes: &[u8], name: &str) -> bool {
    id == name || serde_json::from_slice::<TokenRecord>(bytes).is_ok_and(|record| record.name == name)
}

#[cfg(test)]
mod tests {
    use oneiric_core::rng::SeededRng;
    use oneiric_store::MemoryStore;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1);

    #[tokio::test]
    async fn what_is_kept_of_a_token_is_not_the_token() {
        let (store, rng) = (MemoryStore::new(), SeededRng::new(1));
        assert!(!any(&store).await.unwrap());
        let (token, record) = create(&store, &rng, Some("ci"), HttpScope::Operate, NOW, None).await.unwrap();
        assert_eq!(list(&store).await.unwrap(), std::slice::from_ref(&record));
        assert_eq!(find(&store, token.id()).await.unwrap(), Some(record));
        let (_, kept) = store.extension(FAMILY, token.id()).await.unwrap().unwrap();
        let secret = token.reveal().rsplit_once('_').unwrap().1;
        assert!(!String::from_utf8(kept).unwrap().contains(secret));
    }

    #[tokio::test]
    async fn a_name_is_given_once_and_taken_back_with_its_token() {
        let (store, rng) = (MemoryStore::new(), SeededRng::new(2));
        let made = create(&store, &rng, Some("ci"), HttpScope::Read, NOW, None).await.unwrap();
        let again = create(&store, &rng, Some("ci"), HttpScope::Read, NOW, None).await;
        assert!(matches!(again, Err(TokenError::Taken(_))), "{again:?}");
        let odd = create(&store, &rng, Some("a b"), HttpScope::Read, NOW, None).await;
        assert!(matches!(odd, Err(TokenError::Name(_))), "{odd:?}");
        assert_eq!(revoke(&store, "ci", NOW).await.unwrap(), [made.0.id()]);
        assert!(matches!(revoke(&store, "ci", NOW).await, Err(TokenError::Unknown(_))));
        let unnamed = create(&store, &rng, None, HttpScope::Read, NOW, None).await.unwrap();
        assert_eq!(revoke(&store, unnamed.0.id(), NOW).await.unwrap(), [unnamed.1.name]);
    }
}
