//! Once it is warm, a sealer takes no memory for schemas.
