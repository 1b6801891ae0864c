//! Finding in texts what must not leave the node.

pub mod boundary;
pub mod validate;
