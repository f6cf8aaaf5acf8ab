//! End to end: the built binary against the simulator, over TCP.

mod support;

mod faults;
mod logs;
mod paging;
mod password;
mod refusals;
mod reload;
mod session;
mod shutdown;
