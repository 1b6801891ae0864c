//! The output component.
