//! Second names of settings, all of them.
//!
//! Where a key is set by its own name and by another one in the same layer, its own name wins, and the
//! other is shown as shadowed.

/// A dotted name in files and on the command line, and the key that it stands for.
pub(super) const KEYS: [(&str, &str); 2] = [
    // How the runbooks of the supervisor write it.
    ("runtime.supervisor.enabled", "runtime_supervisor.enabled"),
    ("runtime.supervisor.poll_interval", "runtime_supervisor.poll_interval"),
];

/// A variable behind the project's prefix, and the key that it stands for. A later one wins over an
/// earlier one. Set and empty, they say nothing.
pub(super) const VARIABLES: [(&str, &str); 4] = [
    ("ACTIVITY_STORE", "runtime_paths.domain_activity_path"),
    ("LOG_LEVEL", "logging.level"),
    // Upstream's modes are profiles here.
    ("MODE", "profile.name"),
    ("PROFILE", "profile.name"),
];

/// A variable of another system, whole, and the key that it stands for. They go before the project's
/// own. What has no counterpart yet (brokers, limits of tasks, policies) is added with its section.
pub(super) const FOREIGN: [(&str, &str); 4] = [
    // Cloud Run, Heroku and every buildpack.
    ("PORT", "http.port"),
    ("SA01_ENVIRONMENT", "app.environment"),
    ("SA01_LOG_LEVEL", "logging.level"),
    ("CELERY_DEFAULT_QUEUE", "workflows.options.default_queue_category"),
];

/// Variables behind the project's prefix that are no settings, although two underscores may stand in
/// them: secrets and what tests are told.
pub(super) const OTHERS: [&str; 2] = ["SECRET_", "TEST_"];
