//! The documents of the repository: links and paths lead to something, and the front page stays short.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the pages of packages find the other documents.
const REPOSITORY: &str = "https://github.com/shared-session/shared-session/blob/main/";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Markdown file of the repository.
fn documents() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules", "artifacts", "corpus"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "{found:?}");
    found
}

/// A document without its code blocks.
fn prose(document: &Path) -> String {
    let text = fs::read_to_string(document).unwrap();
    let blocks = text.split("\n```").step_by(2);
    blocks.collect::<Vec<_>>().join("\n")
}

/// The targets of links and pictures.
fn links(prose: &str) -> Vec<&str> {
    let ends = [("](", ')'), ("src=\"", '"'), ("href=\"", '"')];
    let starts = ends
        .iter()
        .flat_map(|(start, end)| prose.split(start).skip(1).map(|rest| rest.split(*end).next().unwrap()));
    starts.collect()
}

/// The address that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(document: &Path, wanted: &str) -> bool {
    let prose = prose(document);
    prose
        .lines()
        .any(|line| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn links_in_the_repository_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for document in documents() {
        let prose = prose(&document);
        for link in links(&prose) {
            let (folder, link) = match link.strip_prefix(REPOSITORY) {
                Some(path) => (root(), path),
                None if link.contains("://") || link.starts_with("mailto:") => continue,
                None => (document.parent().unwrap().to_owned(), link),
            };
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => folder.join(path),
            };
            if !target.exists() || !(heading.is_empty() || has_anchor(&target, heading)) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The pages of the packages are shown on crates.io, docs.rs, PyPI and npm too, where a relative link leads nowhere.
#[test]
fn pages_of_packages_have_no_relative_links() {
    for package in ["shared-session", "testkit", "bindings/python", "bindings/node"] {
        let prose = prose(&root().join(package).join("README.md"));
        let links = links(&prose);
        assert!(!links.is_empty(), "{package}");
        for link in links {
            assert!(
                link.starts_with("https://") || link.starts_with('#'),
                "{package}: {link}"
            );
        }
    }
}

#[test]
fn paths_in_documents_exist() {
    let mut missing = Vec::new();
    for document in documents() {
        for path in prose(&document).split('`').skip(1).step_by(2) {
            let folder = path.split('/').next().unwrap();
            let is_path = path.contains('/') && !path.contains(|c: char| c.is_whitespace() || c == '*');
            let is_placeholder = path.contains("NAME");
            if is_path && !is_placeholder && !folder.is_empty() && root().join(folder).is_dir() {
                let exists = root().join(path).exists();
                if !exists {
                    missing.push(format!("{}: {path}", document.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn recipes_name_existing_tests() {
    let text = fs::read_to_string(root().join("justfile")).unwrap();
    let library = text.lines().find_map(|line| line.strip_prefix("library := ")).unwrap();
    let text = text.replace("{{ library }}", library.trim_matches('"'));
    let (mut checked, mut missing) = (0, Vec::new());
    for line in text.lines().filter(|line| line.starts_with("    ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |option| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1]);
        let folder = root().join(after("-p").unwrap_or_default()).join("tests");
        let program = after("--test").map(|name| folder.join(name).join("main.rs"));
        let modules = words.iter().filter_map(|word| word.strip_suffix("::"));
        let modules = modules.map(|module| folder.join("it").join(format!("{module}.rs")));
        let files = words
            .iter()
            .filter(|word| word.ends_with(".sh") || word.ends_with(".toml"));
        let files = files.map(|file| root().join(file));
        for path in program.into_iter().chain(modules).chain(files) {
            checked += 1;
            if !path.exists() {
                missing.push(format!("{line}: {}", path.display()));
            }
        }
    }
    assert!(
        checked > 30 && missing.is_empty(),
        "{checked} checked, missing: {missing:#?}"
    );
}

#[test]
fn front_page_has_at_most_130_lines() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 130, "{lines}");
}
