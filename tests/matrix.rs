//! Checks the table of requirements against the tests.
//!
//! `docs/conformance/*.tsv` has a row for every statement of an RFC that binds a client or a
//! server. A comment right above the attributes of a test lists the requirements that the test
//! proves:
//!
//! ```text
//! // proves 6455-5.1-3, 6455-5.1-4
//! #[test]
//! ```
//!
//! This test fails if table and tests disagree. It also fails if `docs/conformance/README.md`,
//! which is generated from both, is stale. `BLESS=1 cargo test --test matrix` regenerates it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

const FOLDER: &str = "docs/conformance";
const TABLES: [(&str, &str); 2] = [("rfc6455.tsv", "RFC 6455"), ("rfc7692.tsv", "RFC 7692")];
const STATUSES: [&str; 4] = ["tested", "by design", "not applicable", "out of scope"];

/// Requirements that no change to the source can break, and the reason.
const INVIOLABLE: [(&str, &str); 1] =
    [("7692-7.2.1-12", "a DEFLATE block has no code for a distance over 32,768 (RFC 1951 §3.2.5)")];

/// A requirement, with its status.
#[derive(Clone, Debug)]
struct Row {
    id: String,
    section: String,
    level: String,
    role: String,
    requirement: String,
    status: String,
    reason: String,
}

/// A requirement that a test claims to prove.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Tag {
    id: String,
    file: String,
    test: String,
}

fn read_rows(table: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let Ok([id, section, level, role, requirement, status, reason]) =
            <[String; 7]>::try_from(cells)
        else {
            return Err(format!("not seven cells: {line}"));
        };
        rows.push(Row { id, section, level, role, requirement, status, reason });
    }
    Ok(rows)
}

/// Returns the tags of a file, and their faults.
fn read_tags(file: &str, source: &str) -> (Vec<Tag>, Vec<String>) {
    let (mut tags, mut faults) = (Vec::new(), Vec::new());
    let mut ids: Vec<String> = Vec::new();
    let mut in_comment = false;
    let mut attributes = String::new();
    for line in source.lines().map(str::trim) {
        let comment = line.strip_prefix("// ");
        let listed = match comment.and_then(|comment| comment.strip_prefix("proves ")) {
            Some(listed) => Some(listed),
            None => comment.filter(|_| in_comment),
        };
        if let Some(listed) = listed {
            in_comment = true;
            ids.extend(
                listed.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()),
            );
            continue;
        }
        in_comment = false;
        if ids.is_empty() {
            continue;
        }
        if line.starts_with("#[") {
            attributes.push_str(line);
        } else if let Some(rest) = line.strip_prefix("fn ") {
            let test = rest.split('(').next().unwrap_or(rest).to_owned();
            if !attributes.contains("#[test]") {
                faults.push(format!("{file}: {test} has a tag, but is not a test"));
            } else if attributes.contains("#[ignore") {
                faults.push(format!("{file}: {test} has a tag, but is ignored"));
            }
            tags.extend(ids.drain(..).map(|id| Tag { id, file: file.into(), test: test.clone() }));
            attributes.clear();
        } else if !line.starts_with("//") {
            faults.push(format!("{file}: no test follows the tag {}", ids.join(", ")));
            ids.clear();
            attributes.clear();
        }
    }
    (tags, faults)
}

/// Returns the contradictions between the rows and the tags.
fn check(rows: &[Row], tags: &[Tag]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for row in rows {
        let Row { id, status, reason, .. } = row;
        if seen.insert(id, row).is_some() {
            faults.push(format!("{id} is repeated"));
        }
        let tagged = tags.iter().any(|tag| tag.id == *id);
        match status.as_str() {
            "" => faults.push(format!("{id} has no status")),
            "tested" if !tagged => faults.push(format!("{id} is tested, but no test proves it")),
            "tested" => {}
            other if !STATUSES.contains(&other) => {
                faults.push(format!("{id} has the unknown status {other:?}"));
            }
            _ if tagged => faults.push(format!("{id} has a test, but is {status}")),
            _ if reason.is_empty() => faults.push(format!("{id} is {status} without a reason")),
            _ => {}
        }
    }
    for Tag { id, file, test } in tags {
        if !seen.contains_key(id) {
            faults.push(format!("{file}: {test} proves {id}, which has no row"));
        }
    }
    faults
}

/// Returns the readable table.
fn render(tables: &[(&str, Vec<Row>)], tags: &[Tag]) -> String {
    let mut text = String::from(
        "# Conformance\n\n\
         These tables list every statement of RFC 6455 and RFC 7692 that binds a client or a\n\
         server, and the tests that prove it. `tests/matrix.rs` generates this document from the\n\
         tables in this folder and from the tests; do not edit it. An id consists of the RFC, the\n\
         section, and a number. The wording of the requirements is ours. Only the RFCs are\n\
         authoritative.\n\n\
         - *tested*: the named tests fail if the statement does not hold;\n\
         - *by design*: no test can show it; the named code ensures it;\n\
         - *not applicable*: it binds another party, or requires nothing;\n\
         - *out of scope*: it is not met, for the given reason.\n",
    );
    for (name, rows) in tables {
        writeln!(text, "\n## {name}: summary\n").unwrap();
        writeln!(text, "| section | rows | {} |", STATUSES.join(" | ")).unwrap();
        writeln!(text, "|---|---|{}", "---|".repeat(STATUSES.len())).unwrap();
        let sections = sections(rows);
        for (section, rows) in &sections {
            writeln!(text, "| §{section} | {} |", counts(rows)).unwrap();
        }
        writeln!(text, "| all | {} |", counts(&rows.iter().collect::<Vec<_>>())).unwrap();
        for (section, rows) in &sections {
            writeln!(text, "\n## {name} §{section}\n").unwrap();
            writeln!(text, "| id | level | binds | requirement | where |\n|---|---|---|---|---|")
                .unwrap();
            for row in rows {
                let Row { id, level, role, requirement, .. } = row;
                let place = place(row, tags);
                let requirement = escape(requirement);
                writeln!(text, "| {id} | {level} | {role} | {requirement} | {place} |").unwrap();
            }
        }
    }
    text
}

/// Returns the rows of each section, in their order.
fn sections(rows: &[Row]) -> Vec<(&str, Vec<&Row>)> {
    let mut sections: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in rows {
        match sections.last_mut() {
            Some((section, rows)) if *section == row.section => rows.push(row),
            _ => sections.push((&row.section, vec![row])),
        }
    }
    sections
}

fn counts(rows: &[&Row]) -> String {
    let count = |status: &str| rows.iter().filter(|row| row.status == status).count();
    let counts = STATUSES.map(|status| match count(status) {
        0 => String::new(),
        count => count.to_string(),
    });
    format!("{} | {}", rows.len(), counts.join(" | "))
}

fn place(row: &Row, tags: &[Tag]) -> String {
    if row.status != "tested" {
        return format!("*{}*: {}", row.status, escape(&row.reason));
    }
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tag in tags.iter().filter(|tag| tag.id == row.id) {
        files.entry(&tag.file).or_default().push(&tag.test);
    }
    let places = files.iter().map(|(file, tests)| {
        let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        format!("[{file}](../../{file}): {}", tests.join(", "))
    });
    places.collect::<Vec<_>>().join("; ")
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('[', "\\[")
}

/// Returns all tags below a folder of this package.
fn tags_below(folder: &str) -> (Vec<Tag>, Vec<String>) {
    let (mut tags, mut faults) = (Vec::new(), Vec::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.ends_with(".rs") && !path.ends_with("tests/matrix.rs") {
                let (found, wrong) = read_tags(&path, &fs::read_to_string(&path).unwrap());
                tags.extend(found);
                faults.extend(wrong);
            }
        }
    }
    tags.sort();
    (tags, faults)
}

#[test]
fn every_requirement_has_a_test_or_a_reason() {
    let tables = TABLES.map(|(file, name)| {
        let table = fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
        (name, read_rows(&table).unwrap())
    });
    let (mut tags, mut faults) = tags_below("tests");
    let (more_tags, more_faults) = tags_below("src");
    tags.extend(more_tags);
    faults.extend(more_faults);
    let rows: Vec<_> = tables.iter().flat_map(|(_, rows)| rows.clone()).collect();
    faults.extend(check(&rows, &tags));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));

    let text = render(&tables, &tags);
    let path = Path::new(FOLDER).join("README.md");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stale = fs::read_to_string(&path).unwrap_or_default() != text;
    assert!(!stale, "{} is stale: BLESS=1 cargo test --test matrix", path.display());
}

/// `tests/proofs/run` applies each violation to the library, and expects the test to fail.
#[test]
fn each_requirement_with_a_test_has_a_violation_that_can_be_applied() {
    let (tags, _) = tags_below("tests");
    let table = fs::read_to_string("tests/proofs/violations.tsv").unwrap();
    let mut violated: Vec<_> = INVIOLABLE.iter().map(|(row, _)| row.to_string()).collect();
    for line in table.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').collect();
        let &[rows, file, text, replacement, test] = cells.as_slice() else { panic!("{line}") };
        assert!(file.starts_with("src/"), "{rows} is about the library, not {file}");
        let source = fs::read_to_string(file).unwrap();
        let count = source.matches(&text.replace("\\n", "\n")).count();
        assert_eq!(count, 1, "{rows}: the text {text:?} in {file}");
        assert_ne!(text, replacement, "{rows}");
        let (program, test) = test.split_once("::").unwrap();
        let file = format!("tests/{program}.rs");
        for row in rows.split(' ') {
            let is_proof = |tag: &Tag| tag.id == row && tag.file == file && tag.test == test;
            assert!(tags.iter().any(is_proof), "{row} is not proved by {program}::{test}");
            assert!(INVIOLABLE.iter().all(|(inviolable, _)| row != *inviolable), "{row}");
            violated.push(row.to_owned());
        }
    }
    let tested: BTreeSet<_> = tags.iter().map(|tag| &tag.id).collect();
    let missing: Vec<_> = tested.into_iter().filter(|id| !violated.contains(id)).collect();
    assert!(missing.is_empty(), "no violation of {missing:?} and no reason");
}

#[test]
fn contradictions_between_table_and_tests_are_found() {
    const HEAD: &str = "id\tsection\tlevel\trole\trequirement\tstatus\twhere\n";
    let row = |id: &str, status: &str, reason: &str| {
        format!("{id}\t1\tMUST\tboth\tsomething\t{status}\t{reason}\n")
    };
    let good = "// proves 1-1\n#[test]\nfn proof() {}\n";
    let cases = [
        ("", row("1-1", "tested", ""), good),
        ("1-2 is tested, but no test", row("1-1", "tested", "") + &row("1-2", "tested", ""), good),
        ("1-1 has no status", row("1-1", "", ""), good),
        ("1-1 has the unknown status", row("1-1", "done", ""), good),
        ("1-1 has a test, but is", row("1-1", "by design", "x.rs"), good),
        ("1-2 is by design without", row("1-1", "tested", "") + &row("1-2", "by design", ""), good),
        ("1-1 is repeated", row("1-1", "tested", "").repeat(2), good),
        ("proves 1-1, which has no row", String::new(), good),
        (
            "is ignored",
            row("1-1", "tested", ""),
            "// proves 1-1\n#[test]\n#[ignore = \"x\"]\nfn f() {}",
        ),
        ("is not a test", row("1-1", "tested", ""), "// proves 1-1\nfn f() {}"),
        (
            "no test follows",
            row("1-1", "tested", ""),
            "// proves 1-1\nstruct S;\n// proves 1-1\n#[test]\nfn f() {}",
        ),
    ];
    for (expected, table, source) in cases {
        let rows = read_rows(&(HEAD.to_owned() + &table)).unwrap();
        let (tags, mut faults) = read_tags("t.rs", source);
        faults.extend(check(&rows, &tags));
        match expected {
            "" => assert!(faults.is_empty(), "{faults:?}"),
            _ => assert!(
                faults.iter().any(|fault| fault.contains(expected)),
                "{expected}: {faults:?}"
            ),
        }
    }
    assert!(read_rows("head\nthree\tcells\tonly\n").is_err());
}

#[test]
fn a_tag_may_list_several_requirements_over_several_lines() {
    let source =
        "    // proves 1-1, 1-2,\n    // 1-3\n    #[cfg(unix)]\n    #[test]\n    fn proof() {}";
    let (tags, faults) = read_tags("t.rs", source);
    assert!(faults.is_empty(), "{faults:?}");
    let ids: Vec<_> = tags.iter().map(|tag| tag.id.as_str()).collect();
    assert_eq!(ids, ["1-1", "1-2", "1-3"]);
    assert!(tags.iter().all(|tag| tag.test == "proof" && tag.file == "t.rs"));
}
