//! Tests that the tests, files and links that the documents name exist.

use std::collections::{BTreeMap, BTreeSet};
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

/// Returns the text between each `before` and the next `after`.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split_once(after)).map(|(name, _)| name)
}

#[test]
fn tests_named_in_the_table_of_advisories_exist() {
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
        // Other words in this font are not names of tests.
        for name in last.split('`').skip(1).step_by(2).filter(|name| name.contains('_')) {
            assert!(tests.contains(name), "{name}: there is no such test");
            rows += 1;
        }
    }
    assert!(rows > 30, "only {rows} tests were found in the table");
}

/// The documents that are checked for links, in addition to those below `docs`.
const DOCUMENTS: [&str; 9] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "benches/README.md",
    "examples/cluster/README.md",
    "examples/embedding/README.md",
    "fuzz/README.md",
    "tests/README.md",
];

/// Parts of the paths of files that are not published.
const UNPUBLISHED: [&str; 8] = [
    "benches",
    "fuzz",
    "examples/cluster",
    "examples/embedding",
    "tests/seeds.rs",
    ".cargo",
    "CONTRIBUTING",
    "SECURITY",
];

/// Returns the paths and the texts of the documents that exist.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = files_below("docs", "md");
    paths.extend(DOCUMENTS.map(|name| root().join(name)));
    paths.retain(|path| path.exists());
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Asserts that the target of a link exists. Returns whether it is a file of this repository.
fn assert_exists(document: &Path, link: &str) -> bool {
    let path = link.split('#').next().unwrap_or_default();
    if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
        return false;
    }
    // A package does not contain the files that are not published.
    let is_published = !UNPUBLISHED.iter().any(|part| path.contains(part));
    let is_checkout = root().join("CONTRIBUTING.md").exists();
    let target = document.parent().unwrap().join(path);
    if is_checkout || is_published {
        assert!(target.exists(), "{}: {link} leads nowhere", document.display());
    }
    true
}

#[test]
fn links_lead_to_existing_files() {
    let mut links = 0;
    for (document, text) in documents() {
        links += between(&text, "](", ")").filter(|link| assert_exists(&document, link)).count();
    }
    assert!(links > 20, "only {links} links were found");
}

/// Compares labels as Markdown does: without case, and with any white space.
fn normalize(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Returns the definitions `[label]: target` of a document, and the labels that it uses outside of
/// headings and code.
fn references(text: &str) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let mut definitions = BTreeMap::new();
    let mut prose = String::new();
    let mut is_code = false;
    for line in text.lines() {
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code || line.starts_with('#') {
            continue;
        } else if let Some((label, target)) = definition {
            definitions.insert(normalize(label), target.trim().to_owned());
        } else {
            prose.extend([line, "\n"]);
        }
    }

    let mut labels = BTreeSet::new();
    // The indexes after the open brackets.
    let mut open = Vec::new();
    let mut i = 0;
    while let Some(char) = prose[i..].chars().next() {
        let next = i + char.len_utf8();
        match char {
            '\\' => i = next + prose[next..].chars().next().map_or(0, char::len_utf8),
            '`' => {
                let len = prose[i..].len() - prose[i..].trim_start_matches('`').len();
                let (fence, after) = prose[i..].split_at(len);
                i += len + after.find(fence).map_or(0, |end| end + len);
            }
            '[' => {
                open.push(next);
                i = next;
            }
            ']' => {
                let text = open.pop().map(|start| &prose[start..i]);
                let after = &prose[next..];
                let label = match after.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                    Some((label, _)) if !label.is_empty() => Some(label),
                    _ if after.starts_with('(') => None,
                    _ => text.filter(|text| !text.is_empty()),
                };
                labels.extend(label.map(normalize));
                i = next;
            }
            _ => i = next,
        }
    }
    (definitions, labels)
}

#[test]
fn references_have_definitions_that_lead_to_existing_files() {
    let mut links = 0;
    for (document, text) in documents() {
        let (definitions, labels) = references(&text);
        for label in &labels {
            let is_defined = definitions.contains_key(label);
            assert!(is_defined, "{}: [{label}] has no definition", document.display());
        }
        links += definitions.values().filter(|link| assert_exists(&document, link)).count();
    }
    assert!(links > 20, "only {links} definitions lead to files");
}

#[test]
fn references_are_found() {
    let text = "See [`a`], [the\nother][B  c] and ![a picture][d], [e][].\n\n\
                Not `[code]`, ``[`code`]``, \\[brackets\\] or [this](f.md).\n\n\
                ```rust\nlet x = [1];\n[g]: h.md\n```\n\n\
                [`a`]: a.md\n[b C]: https://b.example/\n";
    let (definitions, labels) = references(text);
    assert_eq!(labels.iter().collect::<Vec<_>>(), ["`a`", "b c", "d", "e"]);
    let expected = [("`a`", "a.md"), ("b c", "https://b.example/")];
    assert!(definitions.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected));
}
