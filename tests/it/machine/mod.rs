//! What the machine can do to a daemon: full, read-only and damaged disks, files taken away, limits
//! reached, clocks set, networks cut. Each time the daemon says what is wrong and what to do, keeps
//! what it has, and goes on by itself where anything can go on.

mod clock;
mod database;
mod disk;
mod limits;
mod network;
