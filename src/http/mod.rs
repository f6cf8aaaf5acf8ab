//! What any HTTP client here needs, whoever the server is.

pub mod cookies;
