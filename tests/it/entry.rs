//! The one way in: `orchestrate` from its plan to its end, by hand, in the background, in a container and as a service.

mod background;
mod deploy;
mod ending;
mod logs;
mod profiles;
mod stage;
mod trial;
