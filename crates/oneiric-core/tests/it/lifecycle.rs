//! Instances come up once, are swapped under their users and are stopped once, whatever fails and
//! whoever gives up.

mod defects;
mod failing;
mod giving_up;
mod load;
mod model;
mod probe;
mod sharing;
mod stopping;
mod world;
