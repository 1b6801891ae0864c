//! What the tests, the end-to-end suite and the measurements share.
#![forbid(unsafe_code)]
