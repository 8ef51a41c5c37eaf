//! The value that flows between nodes.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Fault};

/// A JSON value that is shared, not copied, on its way from one node to the next.
///
/// `null`, by far the most frequent output, costs no allocation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub struct Payload(Option<Arc<Value>>);

static NULL: Value = Value::Null;

impl Payload {
    /// `null`.
    pub const NULL: Payload = Payload(None);

    /// The value.
    pub fn value(&self) -> &Value {
        self.0.as_deref().unwrap_or(&NULL)
    }

    /// Writes a value of your own.
    ///
    /// # Errors
    /// [`ShapeError`] for what JSON cannot hold, such as a map whose keys are no text.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, ShapeError> {
        let written = serde_path_to_error::serialize(value, serde_json::value::Serializer);
        written.map(Self::from).map_err(|error| ShapeError::at(error.path(), error.inner()))
    }

    /// Reads it as a type of your own.
    ///
    /// # Errors
    /// [`ShapeError`] names the first field that is not as the type says.
    ///
    /// ```
    /// # use oneiric_core::Payload;
    /// # use serde_json::json;
    /// #[derive(serde::Deserialize)]
    /// struct Order { items: Vec<u32> }
    ///
    /// let order: Order = Payload::from(json!({"items": [1, 2]})).read()?;
    /// assert_eq!(order.items, [1, 2]);
    /// let wrong = Payload::from(json!({"items": [1, "two"]})).read::<Order>().err().unwrap();
    /// assert_eq!(wrong.to_string(), "field `items[1]`: invalid type: string \"two\", expected u32");
    /// # Ok::<(), oneiric_core::payload::ShapeError>(())
    /// ```
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ShapeError> {
        serde_path_to_error::deserialize(self.value())
            .map_err(|error| ShapeError::at(error.path(), error.inner()))
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The fingerprint of the value; see [`Digest::of_json`].
    pub fn digest(&self) -> Digest {
        Digest::of_json(self.value())
    }
}

/// Why a value is not what a type says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// Where in the value: `items[1].price`; empty for the value itself.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

impl ShapeError {
    pub(crate) fn at(path: &serde_path_to_error::Path, reason: &serde_json::Error) -> Self {
        let path = path.to_string();
        Self { path: if path == "." { String::new() } else { path }, reason: reason.to_string() }
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "field `{}`: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ShapeError {}

/// The same value will be wrong again.
impl From<ShapeError> for Fault {
    fn from(error: ShapeError) -> Fault {
        Fault::permanent("bad-payload", error.to_string())
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        if value.is_null() { Self::NULL } else { Self(Some(Arc::new(value))) }
    }
}

impl From<Payload> for Value {
    fn from(payload: Payload) -> Value {
        match payload.0 {
            None => Value::Null,
            Some(shared) => Arc::try_unwrap(shared).unwrap_or_else(|shared| shared.as_ref().clone()),
        }
    }
}
