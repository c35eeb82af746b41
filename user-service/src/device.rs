//! What a device is called: a few words out of what its browser says of itself (`User-Agent`, RFC 9110, section 10.1.5).
//!
//! Only for its owner to know it again: nothing depends on it, and whatever it says stays text.

/// What stands in the text of a browser, and its name. A browser says it is also those that it imitates, so the one
/// that others imitate comes after them.
const BROWSERS: [(&str, &str); 14] = [
    ("KAKAOTALK", "KakaoTalk"),
    ("NAVER(inapp", "Naver"),
    ("Whale/", "Whale"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Likewise for the system it runs on.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

const UNKNOWN: &str = "Unknown device";

/// How many characters are shown of what is no browser known here.
const LONGEST: usize = 40;

/// The device's name.
#[must_use]
pub fn label(user_agent: Option<&str>) -> String {
    let text = user_agent.unwrap_or_default().trim();
    let known = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(part, _)| text.contains(part));
        found.map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => program(text),
    }
}

/// A program that says its name and version, such as `curl/8.14.1`, by its name; anything else as it is, cut.
fn program(text: &str) -> String {
    let name = text.split_once('/').map_or("", |(name, _)| name);
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_program = !name.is_empty() && name != "Mozilla" && name.bytes().all(word);
    let text = if is_program { name } else { text };
    if text.is_empty() {
        return UNKNOWN.to_owned();
    }
    let shown: String = text.chars().filter(|character| !character.is_control()).collect();
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", shown[..end].trim_end()),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, label};

    #[test]
    fn browsers_are_known_among_those_that_they_imitate() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Whale/4.34.340.19 Safari/537.36",
                "Whale on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; SM-S931N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
        ] {
            assert_eq!(label(Some(user_agent)), name);
        }
    }

    #[test]
    fn programs_are_called_by_their_names_and_all_else_as_it_is() {
        for (user_agent, name) in [
            (None, "Unknown device"),
            (Some(" "), "Unknown device"),
            (Some("curl/8.14.1"), "curl"),
            (Some("python-requests/2.32.3"), "python-requests"),
            (Some("Mozilla/4.0 (compatible)"), "Mozilla/4.0 (compatible)"),
            (Some("<script>alert(1)</script>"), "<script>alert(1)</script>"),
            (Some("/x"), "/x"),
            (Some("냉장고"), "냉장고"),
        ] {
            assert_eq!(label(user_agent), name);
        }
    }

    #[test]
    fn a_long_one_is_cut_between_characters() {
        let long = "냉장고 ".repeat(1000);
        let short = label(Some(&long));
        assert!(short.chars().count() <= LONGEST + 1, "{short}");
        assert!(short.starts_with("냉장고 냉장고") && short.ends_with("고…"), "{short}");
        assert_eq!(label(Some(&"x".repeat(LONGEST))), "x".repeat(LONGEST));
    }
}
