//! The outcomes of all checks of a peer, kept in a file below `TIGHTWIRE_INTEROP_HOME`.

use std::fs;
use std::path::PathBuf;

use crate::Failure;
use crate::known::Known;
use crate::peer::{Peer, Role, variable};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    NotOffered,
}

pub(crate) struct Row {
    pub(crate) role: Role,
    pub(crate) check: String,
    pub(crate) outcome: Outcome,
}

pub(crate) struct Results {
    pub(crate) peer: String,
    pub(crate) language: String,
    pub(crate) version: String,
    pub(crate) rows: Vec<Row>,
}

impl Results {
    pub(crate) fn new(peer: &Peer) -> Self {
        let Peer { name, language, version, .. } = peer;
        let (language, version) = (language.clone(), version.clone());
        Self { peer: name.clone(), language, version, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, role: Role, check: &str, outcome: Outcome) {
        self.rows.push(Row { role, check: check.to_owned(), outcome });
    }

    pub(crate) fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome == Outcome::Passed).count()
    }

    pub(crate) fn offered(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome != Outcome::NotOffered).count()
    }

    pub(crate) fn roles(&self) -> Vec<Role> {
        let is_there = |role: &Role| self.rows.iter().any(|row| row.role == *role);
        Role::ALL.into_iter().filter(is_there).collect()
    }

    /// The roles that do not offer this check.
    pub(crate) fn not_offered(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.outcome == Outcome::NotOffered)
    }

    pub(crate) fn summary(&self, known: &Known) -> String {
        let roles: Vec<&str> = self.roles().into_iter().map(Role::name).collect();
        let count = self.rows.iter().filter(|row| self.is_known(row, known)).count();
        let note = if count == 0 { String::new() } else { format!(", {count} known failures") };
        format!(
            "{} {} ({}): {} of {} checks{note}",
            self.peer,
            self.version,
            roles.join(", "),
            self.passed(),
            self.offered(),
        )
    }

    pub(crate) fn is_known(&self, row: &Row, known: &Known) -> bool {
        let is_failed = matches!(row.outcome, Outcome::Failed(_));
        is_failed && known.find(&self.peer, row.role, &row.check).is_some()
    }

    pub(crate) fn save(&self) -> Result<(), Failure> {
        let mut text = format!("{}\t{}\t{}\n", self.peer, self.version, self.language);
        for Row { role, check, outcome } in &self.rows {
            let outcome = match outcome {
                Outcome::Passed => "passed",
                Outcome::Failed(_) => "failed",
                Outcome::NotOffered => "not offered",
            };
            text += &format!("{role}\t{check}\t{outcome}\n");
        }
        let path = path(&self.peer)?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn load(peer: &str) -> Result<Self, Failure> {
        let path = path(peer)?;
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{peer} has no results: {}: {error}", path.display()))?;
        Self::parse(&text).ok_or_else(|| format!("{}: not understood", path.display()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| line.split('\t'));
        let mut head = lines.next()?.map(str::to_owned);
        let (peer, version, language) = (head.next()?, head.next()?, head.next()?);
        let rows = lines.map(|mut fields| {
            let role = fields.next()?;
            let role = Role::ALL.into_iter().find(|known| known.name() == role)?;
            let check = fields.next()?.to_owned();
            let outcome = match fields.next()? {
                "passed" => Outcome::Passed,
                "failed" => Outcome::Failed(String::new()),
                _ => Outcome::NotOffered,
            };
            Some(Row { role, check, outcome })
        });
        Some(Self { rows: rows.collect::<Option<_>>()?, peer, language, version })
    }
}

fn path(peer: &str) -> Result<PathBuf, Failure> {
    let folder = PathBuf::from(variable("TIGHTWIRE_INTEROP_HOME")?).join("results");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.join(format!("{peer}.tsv")))
}
