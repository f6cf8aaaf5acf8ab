//! The incremental passes of one repository: short ones over what changed lately, beside the whole passes.
//!
//! They write creations and updates, and nothing else: they delete nothing, certify nothing, and touch no
//! place, no seen ids and no verdict of a whole pass. They share the session, the limiter and the page
//! interval with the whole passes, go on during those, their reconciling and their pauses, and one begins
//! `interval` after the beginning of the one before, never two at once. What the server says to their
//! searches is told, and never keeps whole passes from going on.
//!
//! | file | does |
//! | --- | --- |
//! | `passes` | one pass after the other, for as long as they are configured |
//! | `pass` | one pass: page after page, and what its items say |
//! | `series` | what is known from one pass to the next, for as long as the same is asked |
//! | `report`, `obstacle` | what is told of passes and of what keeps them from being of use |
//! | `mark`, `windows`, `order` | how far passes have come; what one asks for; whether a list has the last change first (pure) |

mod mark;
mod obstacle;
mod order;
mod pass;
mod passes;
mod report;
mod series;
mod windows;

pub(super) use self::order::FoundByWholePasses;
pub(super) use self::passes::IncrementalPasses;
