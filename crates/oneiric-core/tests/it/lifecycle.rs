//! Instances come up once, are swapped under their users and are stopped once, whatever fails and
//! whoever gives up.

mod failing;
mod giving_up;
mod sharing;
mod world;
