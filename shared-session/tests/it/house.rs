//! The rooms of the library import each other in one direction only, as `docs/architecture.md` draws it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the door down. A room imports only what stands below it.
const ROOMS: &[&str] = &[
    "lib",
    "internals",
    "actix",
    "tower",
    "manager",
    "open_redis",
    "http",
    "settings",
    "store",
    "format",
    "error",
    "backend",
    "codec",
    "topology",
    "session",
    "metrics",
    "timeout",
    "clock",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}

/// Returns the rooms that each room imports, and one file that does.
fn arrows() -> BTreeMap<(String, String), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut arrows = BTreeMap::new();
    for file in files(&folder) {
        let path = file.strip_prefix(&folder).unwrap();
        let room = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code.take_while(|line| !line.starts_with("mod tests")) {
            for import in line.split("crate::").skip(1) {
                let end = import.find(|character: char| !character.is_alphanumeric() && character != '_');
                let name = &import[..end.unwrap_or(import.len())];
                if name != room {
                    let arrow = (room.to_owned(), name.to_owned());
                    arrows.insert(arrow, format!("{line} in {}", file.display()));
                }
            }
        }
    }
    arrows
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let level = |room: &str| {
        ROOMS
            .iter()
            .position(|other| *other == room)
            .unwrap_or_else(|| panic!("unknown room {room}"))
    };
    let arrows = arrows();
    assert!(
        arrows.contains_key(&("store".to_owned(), "session".to_owned())),
        "no import was found"
    );
    for ((from, to), place) in &arrows {
        assert!(level(from) < level(to), "{from} imports {to}: {place}");
    }
    // neither of the doors knows the other one, and records and where they are kept are two things
    for (one, other) in [
        ("actix", "tower"),
        ("tower", "actix"),
        ("codec", "backend"),
        ("backend", "codec"),
    ] {
        assert!(
            !arrows.contains_key(&(one.to_owned(), other.to_owned())),
            "{one} imports {other}"
        );
    }
}
