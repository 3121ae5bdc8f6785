//! The sum of the results, and `docs/interop.md`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, iter};

use crate::Failure;
use crate::checks::CHECKS;
use crate::known::Known;
use crate::peer::variable;
use crate::results::{Outcome, Results};

/// A suite of the example programs: its peer, and how many checks passed and failed.
struct Suite {
    name: String,
    passed: usize,
    failed: usize,
}

/// Prints how many of the checks of these peers and suites passed. Returns whether everything
/// went as expected.
pub(crate) fn print(names: &[String]) -> Result<bool, Failure> {
    let known = Known::load()?;
    let all = names.iter().map(|name| Results::load(name)).collect::<Result<Vec<_>, _>>()?;
    let suites = load_suites()?;
    let suites = suites.iter().filter(|suite| names.contains(&suite.name));
    let (mut passed, mut offered, mut as_expected) = (0, 0, true);
    for results in &all {
        passed += results.passed();
        offered += results.offered();
        as_expected &= results.rows.iter().all(|row| {
            let is_failed = matches!(row.outcome, Outcome::Failed(_));
            let entry = known.find(&results.peer, row.role, &row.check);
            entry.map_or(!is_failed, |entry| is_failed || entry.is_sporadic())
        });
    }
    for suite in suites {
        passed += suite.passed;
        offered += suite.passed + suite.failed;
        as_expected &= suite.failed == 0 && suite.passed != 0;
    }
    println!("interop: {passed} of {offered} checks, {} peers", all.len());
    Ok(as_expected)
}

/// Writes `docs/interop.md` from the results of all peers.
pub(crate) fn write() -> Result<(), Failure> {
    let folder = PathBuf::from(variable("TIGHTWIRE_INTEROP")?);
    let all =
        peers(&folder)?.iter().map(|name| Results::load(name)).collect::<Result<Vec<_>, _>>()?;
    let known = Known::load()?;
    let suites = load_suites()?;
    let path = folder.join("../../docs/interop.md");
    let document = document(&all, &known, &suites);
    fs::write(&path, document).map_err(|error| format!("{}: {error}", path.display()))
}

/// The names of the folders of all peers.
fn peers(folder: &Path) -> Result<Vec<String>, Failure> {
    let folder = folder.join("peers");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn load_suites() -> Result<Vec<Suite>, Failure> {
    let path = PathBuf::from(variable("TIGHTWIRE_INTEROP_HOME")?).join("suites.tsv");
    let text = fs::read_to_string(path).unwrap_or_default();
    let suites = text.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        Some(Suite {
            name,
            passed: fields.next()?.parse().ok()?,
            failed: fields.next()?.parse().ok()?,
        })
    });
    Ok(suites.collect())
}

fn document(all: &[Results], known: &Known, suites: &[Suite]) -> String {
    let passed: usize = all.iter().map(Results::passed).sum();
    let offered: usize = all.iter().map(Results::offered).sum();
    let (peers, date) = (all.len(), today());
    let mut text = format!(
        "<!-- Written by `tests/interop/run --write`. Do not edit it. -->\n\
         # Interoperability\n\n\
         {passed} of {offered} checks passed with {peers} peers on {date}.\n\
         This command repeats them and writes this page:\n\n\
         ```sh\ntests/interop/run\n```\n\n\
         One program, [tests/interop/driver](../tests/interop/driver/main.rs), uses tightwire as client\n\
         and as server against other implementations, in every role that they have. The checks are the\n\
         same for all peers. A check that the API of a peer cannot take part in counts as \"not offered\",\n\
         not as passed.\n\n\
         ## Peers\n\n\
         | peer | version | language | roles | passed of offered | not offered |\n\
         | --- | --- | --- | --- | --- | --- |\n"
    );
    for results in all {
        let roles: Vec<&str> = results.roles().into_iter().map(|role| role.name()).collect();
        let Results { peer, version, language, .. } = results;
        let (passed, offered) = (results.passed(), results.offered());
        let roles = roles.join(", ");
        let missing = not_offered(results);
        let _ = writeln!(
            text,
            "| {peer} | {version} | {language} | {roles} | {passed} of {offered} | {missing} |"
        );
    }
    text += "\nIn the last column, `deflate` stands for all checks of permessage-deflate.\n";
    text += &failures(all, known);
    text += "\n## Checks\n\n| check | what it expects |\n| --- | --- |\n";
    for check in CHECKS {
        let _ = writeln!(text, "| {} | {} |", check.name, check.what);
    }
    text += &examples(suites);
    text += "\n## Adding a peer\n\n\
             A peer is a folder `tests/interop/peers/NAME` with an executable file `run`, and a short\n\
             program in the peer's own language that echoes. All logic of the checks is in the driver.\n\
             [tests/interop/README.md](../tests/interop/README.md) has the contract.\n";
    text
}

/// The checks that no role of the peer offers, and for the others the roles.
fn not_offered(results: &Results) -> String {
    let roles = results.roles();
    let without = |name: &str| -> Vec<&str> {
        let rows = results.not_offered().filter(|row| row.check == name);
        rows.map(|row| row.role.name()).collect()
    };
    let deflate = without("deflate");
    let missing = CHECKS.iter().filter_map(|check| {
        let without = without(check.name);
        // `deflate` stands for all of permessage-deflate.
        let is_covered = check.name != "deflate" && check.what.starts_with("permessage-deflate");
        match without.len() {
            0 => None,
            _ if is_covered && without == deflate => None,
            count if count == roles.len() => Some(check.name.to_owned()),
            _ => Some(format!("{} ({})", check.name, without.join(", "))),
        }
    });
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() { "-".into() } else { missing.join(", ") }
}

fn failures(all: &[Results], known: &Known) -> String {
    let mut text = String::from("\n## Failures\n\n");
    let failed = all.iter().flat_map(|results| {
        let rows = results.rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed(_)));
        rows.zip(iter::repeat(results))
    });
    let rows: Vec<String> = failed
        .map(|(row, results)| {
            let entry = known.find(&results.peer, row.role, &row.check);
            let (fault, section, what) = entry
                .map_or(("not known", "", ""), |entry| (&entry.fault, &entry.section, &entry.what));
            format!(
                "| {} | {} | {} | {fault} | {section} | {what} |\n",
                results.peer, row.role, row.check
            )
        })
        .collect();
    if rows.is_empty() {
        text += "None.\n";
        return text;
    }
    text += "A failure that is not listed in `tests/interop/known.tsv` fails the run. So does a listed check\n\
             that passes, unless it fails only sometimes.\n\n\
             | peer | role of the peer | check | whose fault | section | what happens |\n\
             | --- | --- | --- | --- | --- | --- |\n";
    text + &rows.concat()
}

fn examples(suites: &[Suite]) -> String {
    let mut text = String::from(
        "\n## Example programs\n\n\
         Suites of their own run the programs in `examples/`, and compression with many settings, against\n\
         some of the peers. They check what the programs print, their exit status, and the bytes on the\n\
         wire.\n\n\
         | peer | passed | failed |\n| --- | --- | --- |\n",
    );
    for Suite { name, passed, failed } in suites {
        let _ = writeln!(text, "| {name} | {passed} | {failed} |");
    }
    text
}

fn today() -> String {
    let date = Command::new("date").arg("+%F").output().map(|output| output.stdout);
    String::from_utf8_lossy(&date.unwrap_or_default()).trim().to_owned()
}
