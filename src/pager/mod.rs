//! stub
pub mod link;
pub mod pass;
pub mod seen;
pub mod window;
