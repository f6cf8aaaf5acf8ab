//! Feeds that are webhooks, from outside.

mod answers;
mod deliveries;
mod kill;
mod rogue;
mod signatures;
mod site;
