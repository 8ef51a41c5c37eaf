//! Durations as upstream writes them: seconds, as a number.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest duration in settings, in seconds: a year. Anything longer is a typing error.
pub const MAX_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// Seconds with fractions: 0 to [`MAX_SECONDS`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(f64);

impl Seconds {
    /// So many seconds, brought into the range; what is no number is zero.
    pub const fn new(seconds: f64) -> Self {
        Self(if seconds > 0.0 { seconds.min(MAX_SECONDS) } else { 0.0 })
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs_f64(Self::new(self.0).0)
    }

    /// As it is written.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether it is zero, which often means "off".
    pub fn is_zero(self) -> bool {
        self.0 == 0.0
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": 0, "maximum": MAX_SECONDS})
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_duration() {
        assert_eq!(Seconds::new(0.25).duration(), Duration::from_millis(250));
        for odd in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert_eq!(Seconds(odd).duration(), Duration::ZERO);
        }
        assert_eq!(Seconds(f64::INFINITY).duration(), Duration::from_secs(31_536_000));
    }
}
