//! Values that are one of a few words.
//!
//! Pure functions.

use super::codec::{Codec, Input, Parsed, invalid};
use super::error::quoted;
use super::similarity::nearest;

/// A value that is one of a few words.
pub trait Choice: Copy + PartialEq + 'static {
    /// Each word and what it means.
    const CHOICES: &'static [(&'static str, Self)];

    /// The word for it.
    fn word(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| *word)
    }
}

/// Makes an enum of choices, each with its documentation and its word.
macro_rules! choices {
    ($(#[$about:meta])+ $name:ident: $($(#[$doc:meta])+ $word:literal => $choice:ident,)+) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])+ $choice,)+ }

        impl Choice for $name {
            const CHOICES: &[(&str, Self)] = &[$(($word, Self::$choice)),+];
        }
    };
}

pub(crate) use choices;

/// One of a few words.
pub const fn choice<T: Choice>() -> Codec<T> {
    Codec::new(chosen::<T>, |choice| {
        let named = T::CHOICES.iter().find(|(_, named)| named == choice);
        named.map_or("", |(name, _)| *name).into()
    })
}

fn chosen<T: Choice>(input: Input<'_>) -> Parsed<T> {
    let names = || T::CHOICES.iter().map(|(name, _)| *name);
    let text = input.text(&names().next().map(quoted).unwrap_or_default())?;
    if let Some((_, choice)) = T::CHOICES.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let all = names().map(quoted).collect::<Vec<_>>().join(", ");
    let hint = match nearest(text, names()) {
        Some(name) => format!("did you mean {name:?}? the choices are {all}"),
        None => format!("write one of {all}"),
    };
    invalid("is not one of the choices", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    choices! {
        /// A colour.
        Colour:
        /// Like a lemon.
        "yellow" => Yellow,
        /// Like a frog.
        "green" => Green,
    }

    #[test]
    fn a_wrong_choice_names_the_right_ones() {
        let kind = |text: &str| text.into();
        let colour = |text: &str| chosen::<Colour>(Input { kind: &kind(text), is_variable: false });
        assert_eq!(colour("yellow"), Ok(Colour::Yellow));
        let choices = r#""yellow", "green""#;
        let hint = colour("yelow").unwrap_err().hint;
        assert_eq!(hint, format!("did you mean \"yellow\"? the choices are {choices}"));
        assert_eq!(colour("pale").unwrap_err().hint, format!("write one of {choices}"));
        assert_eq!(Colour::Green.word(), "green");
    }
}
