//! Text that people read: what of outside text may reach a terminal, and commands that can be pasted.

mod command_line;
mod moment;
mod visible;

pub use command_line::{CommandLine, DEFAULT_CONFIG};
pub use moment::moment;
pub use visible::{is_hidden, name, visible, visible_but};
