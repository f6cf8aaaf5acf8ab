//! End to end: the built binary against the simulator, over TCP.

mod support;

mod asking;
mod check;
mod cli;
mod demo;
mod faults;
mod logs;
mod once;
mod paging;
mod password;
mod refusals;
mod reload;
mod repositories;
mod session;
mod shutdown;
mod simulate;
mod status;
