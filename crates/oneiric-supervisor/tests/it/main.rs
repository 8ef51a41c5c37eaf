//! Services in virtual time, through the public surface.
