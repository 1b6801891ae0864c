//! A Fluent Bit filter that records what it is called with.
