//! The checks that are known to fail: `known.tsv`.

use std::fs;
use std::path::PathBuf;

use crate::Failure;
use crate::checks::CHECKS;
use crate::peer::{Role, variable};

/// A check that is known to fail.
pub(crate) struct Entry {
    pub(crate) peer: String,
    pub(crate) role: String,
    pub(crate) check: String,
    pub(crate) fault: String,
    pub(crate) section: String,
    pub(crate) what: String,
}

pub(crate) struct Known(Vec<Entry>);

impl Entry {
    /// Whether the check may pass, too.
    pub(crate) fn is_sporadic(&self) -> bool {
        self.what.starts_with("Sometimes")
    }
}

impl Known {
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = PathBuf::from(variable("TIGHTWIRE_INTEROP")?).join("known.tsv");
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let entries = lines.map(|line| {
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let [peer, role, check, fault, section, what] = <[String; 6]>::try_from(fields)
                .map_err(|_| format!("known.tsv: six fields are needed: {line}"))?;
            if CHECKS.iter().all(|known| known.name != check) {
                return Err(format!("known.tsv names the check {check}, which does not exist"));
            }
            Ok(Entry { peer, role, check, fault, section, what })
        });
        entries.collect::<Result<_, Failure>>().map(Self)
    }

    pub(crate) fn find(&self, peer: &str, role: Role, check: &str) -> Option<&Entry> {
        self.0
            .iter()
            .find(|entry| entry.peer == peer && entry.role == role.name() && entry.check == check)
    }
}
