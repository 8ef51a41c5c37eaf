//! The profiles that are built in: overlays as text, so that there is nothing to them but values.

/// Name and overlay (TOML).
pub(super) const BUILT_IN: [(&str, &str); 4] = [
    ("default", include_str!("profiles/default.toml")),
    ("serverless", include_str!("profiles/serverless.toml")),
    ("lite", include_str!("profiles/lite.toml")),
    ("standard", include_str!("profiles/standard.toml")),
];

/// The overlay of a profile.
pub(super) fn overlay(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
