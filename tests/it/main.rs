//! End to end: the built binary against the simulator, over TCP.

mod support;

mod paging;
mod refusals;
mod session;
