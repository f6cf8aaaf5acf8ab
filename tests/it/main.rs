//! End to end: the built binary against the simulator, over TCP.

mod support;

mod asking;
mod balanced;
mod check;
mod cli;
mod control;
mod crash;
mod deletes;
mod demo;
mod doctor;
mod exactness;
mod faults;
mod health;
mod kill;
mod logs;
mod machine;
mod matrix;
mod mirror;
mod notify;
mod once;
mod package;
mod page;
mod paging;
mod password;
mod promtool;
mod refusals;
mod reload;
mod repositories;
mod resume;
mod secrets;
mod session;
mod shutdown;
mod simulate;
mod status;
mod unit_password;
