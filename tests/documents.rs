//! What the documents name is there: tests, files, and links from one document to another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

/// What stands between a `before` and the next `after`.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split_once(after)).map(|(name, _)| name)
}

#[test]
fn the_tests_that_stand_for_advisories_exist() {
    let mut tests = BTreeSet::new();
    for path in files_below("tests", "rs") {
        let source = fs::read_to_string(path).unwrap();
        tests.extend(between(&source, "fn ", "(").map(str::to_owned));
    }
    let security = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let (_, table) = security.split_once("## What happened to others").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        // Other words in this font are no names of tests.
        for name in last.split('`').skip(1).step_by(2).filter(|name| name.contains('_')) {
            assert!(tests.contains(name), "{name}: there is no such test");
            rows += 1;
        }
    }
    assert!(rows > 30, "only {rows} tests were found in the table");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files_below("docs", "md");
    for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        documents.push(root().join(name));
    }
    documents.retain(|path| path.exists());
    let mut links = 0;
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in between(&text, "](", ")") {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = document.parent().unwrap().join(path);
            // What is not published is not there in what was.
            let is_packaged = !["benches", "fuzz", "examples/cluster", "CONTRIBUTING", "SECURITY"]
                .iter()
                .any(|left_out| path.contains(left_out));
            let is_checkout = root().join("CONTRIBUTING.md").exists();
            if is_checkout || is_packaged {
                assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            }
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links were found");
}
