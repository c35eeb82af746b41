//! Names a device by its browser's `User-Agent` header (RFC 9110, section 10.1.5), so that its owner recognizes it.
//!
//! The name is for display only: the header can hold any text.

use service_kit::site::text::is_hidden;

/// Parts of a `User-Agent` and the browser that each means. A browser also names the browsers that it imitates, so an
/// imitated browser comes after its imitators.
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

/// Parts of a `User-Agent` and the operating system that each means.
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

/// The maximum length, in characters, of a name that is taken from an unknown `User-Agent`.
const MAX_LENGTH: usize = 40;

/// Returns the device's name, such as `Firefox on Linux`.
#[must_use]
pub fn device_name(user_agent: Option<&str>) -> String {
    let text = user_agent.unwrap_or_default().trim();
    let find = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(part, _)| text.contains(part));
        found.map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => program_name(text),
    }
}

/// Returns the name of a program such as `curl/8.14.1`, or any other text cut to [`MAX_LENGTH`].
fn program_name(text: &str) -> String {
    let name = text.split_once('/').map_or("", |(name, _)| name);
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_program = !name.is_empty() && name != "Mozilla" && name.bytes().all(in_word);
    let text = if is_program { name } else { text };
    if text.is_empty() {
        return UNKNOWN.to_owned();
    }
    let printable: String = text.chars().filter(|character| !is_hidden(*character)).collect();
    match printable.char_indices().nth(MAX_LENGTH) {
        Some((end, _)) => format!("{}…", printable[..end].trim_end()),
        None => printable,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LENGTH, device_name};

    #[test]
    fn browser_is_told_from_the_browsers_that_it_imitates() {
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
            assert_eq!(device_name(Some(user_agent)), name);
        }
    }

    #[test]
    fn program_is_named_without_its_version_and_other_text_is_unchanged() {
        for (user_agent, name) in [
            (None, "Unknown device"),
            (Some(" "), "Unknown device"),
            (Some("curl/8.14.1"), "curl"),
            (Some("python-requests/2.32.3"), "python-requests"),
            (Some("Mozilla/4.0 (compatible)"), "Mozilla/4.0 (compatible)"),
            (Some("<script>alert(1)</script>"), "<script>alert(1)</script>"),
            (Some("/x"), "/x"),
            (Some("냉장고"), "냉장고"),
            (Some("a\u{202e}b\u{200b}c"), "abc"),
        ] {
            assert_eq!(device_name(user_agent), name);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "냉장고 ".repeat(1000);
        let short = device_name(Some(&long));
        assert!(short.chars().count() <= MAX_LENGTH + 1, "{short}");
        assert!(short.starts_with("냉장고 냉장고") && short.ends_with("고…"), "{short}");
        assert_eq!(device_name(Some(&"x".repeat(MAX_LENGTH))), "x".repeat(MAX_LENGTH));
    }
}
