//! The page and the table that compare the candidates.

use std::fs;
use std::path::{Path, PathBuf};

use torture::comparison::{candidates, page, with_table};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn the_page_and_the_table_say_what_the_experiments_found_out() {
    let repository = repository();
    let candidates = candidates(&repository.join("torture/candidates")).unwrap();
    let written = fs::read_to_string(repository.join("docs/comparison.md")).unwrap();
    assert!(
        page(&candidates).unwrap() == written,
        "docs/comparison.md is old; run torture/compare.sh"
    );
    let readme = fs::read_to_string(repository.join("README.md")).unwrap();
    assert!(
        with_table(&readme, &candidates).unwrap() == readme,
        "the table in README.md is old; run torture/compare.sh"
    );
}

#[test]
fn an_adapter_is_at_most_60_lines() {
    let extensions = ["rs", "py", "php", "js", "mjs"];
    let mut count = 0;
    let mut folders = vec![repository().join("torture/candidates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["node_modules", ".venv", "target", "__pycache__"].contains(&name) {
                    folders.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|extension| extensions.iter().any(|it| extension == *it))
            {
                count += 1;
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 60, "{} has {lines} lines", path.display());
            }
        }
    }
    assert!(count >= 9, "only {count} adapters were found");
}

/// The versions that a page names are those that are installed.
#[test]
fn the_versions_of_a_candidate_are_those_of_its_lock_file() {
    for entry in fs::read_dir(repository().join("torture/candidates")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(about) = fs::read_to_string(folder.join("candidate.json")) else {
            continue;
        };
        let about: serde_json::Value = serde_json::from_str(&about).unwrap();
        let lock =
            ["Cargo.lock", "package-lock.json", "requirements.txt"].map(|file| fs::read_to_string(folder.join(file)));
        let own = lock.into_iter().find_map(Result::ok);
        let lock = match own {
            Some(lock) => lock,
            None if folder.to_string_lossy().contains("shared-session") => {
                fs::read_to_string(repository().join("Cargo.lock")).unwrap()
            }
            None => continue, // Debian's packages
        };
        for (name, version) in about["versions"].as_object().unwrap() {
            let version = version.as_str().unwrap();
            if name == "shared-session" {
                assert_eq!(version, env!("CARGO_PKG_VERSION"), "{}", folder.display());
                continue;
            }
            let forms = [
                format!("name = \"{name}\"\nversion = \"{version}\""),
                format!("\"node_modules/{name}\": {{\n      \"version\": \"{version}\""),
                format!("{name}=={version}"),
            ];
            assert!(
                forms.iter().any(|form| lock.contains(form)),
                "{}: {name} {version}",
                folder.display()
            );
        }
    }
}
