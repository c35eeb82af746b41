//! Characters that readers do not see, which could make one text look like another.

/// Returns whether a character is a control character, changes the direction of the text around it, or is invisible.
///
/// The joiners U+200C and U+200D and the variation selectors are none of these: emoji and several scripts need them.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' // soft hyphen
            | '\u{34f}' // combining grapheme joiner
            | '\u{61c}' | '\u{200e}' | '\u{200f}' // marks of direction
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers of Hangul
            | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' // space of no width
            | '\u{2028}' | '\u{2029}' // separators of lines and paragraphs
            | '\u{202a}'..='\u{202e}' // embeddings and overrides of direction
            | '\u{2060}'..='\u{206f}' // word joiner, isolates of direction, deprecated controls
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}') // tags
}

/// Returns whether a text has anything to see.
#[must_use]
pub fn is_visible(text: &str) -> bool {
    text.chars().any(|character| {
        !character.is_whitespace()
            && !is_hidden(character)
            && !matches!(
                character,
                '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{2800}'
            )
    })
}

#[cfg(test)]
mod tests {
    use super::{is_hidden, is_visible};

    #[test]
    fn controls_of_direction_and_invisible_characters_are_hidden() {
        for hidden in
            "\u{202e}\u{2066}\u{2069}\u{200b}\u{200e}\u{feff}\u{ad}\u{3164}\u{e0041}\u{2028}\n\0\u{7f}".chars()
        {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn text_of_every_script_is_visible() {
        for text in ["Anna", "홍길동", "نام‌خانوادگی", "שלום", "क्‍ष", "👩‍👩‍👧 ❤️", "ñ e\u{301}"]
        {
            assert!(!text.chars().any(is_hidden), "{text:?}");
            assert!(is_visible(text), "{text:?}");
        }
        for text in ["", " \u{3000}", "\u{200d}\u{fe0f}", "\u{200b}\u{202e}", "\u{2800}"] {
            assert!(!is_visible(text), "{text:?}");
        }
    }
}
