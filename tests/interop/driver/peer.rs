//! A peer as its folder declares it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fmt};

use crate::Failure;
use crate::process::Program;

/// The role of the peer; tightwire is the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Server,
    Client,
    /// It forwards our connections to an echo server of ours.
    ReverseProxy,
    /// Our client asks it for a tunnel to an echo server of ours.
    ForwardProxy,
}

impl Role {
    pub(crate) const ALL: [Self; 4] =
        [Self::Server, Self::Client, Self::ReverseProxy, Self::ForwardProxy];

    /// The name in lists.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::ReverseProxy => "reverse-proxy",
            Self::ForwardProxy => "forward-proxy",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) version: String,
    /// Each role, with the names of the optional checks that it offers.
    pub(crate) roles: Vec<(Role, Vec<String>)>,
    run: PathBuf,
}

impl Peer {
    pub(crate) fn load(name: &str) -> Result<Self, Failure> {
        let root = variable("TIGHTWIRE_INTEROP")?;
        let run = PathBuf::from(root).join("peers").join(name).join("run");
        let (name, roles) = (name.to_owned(), Vec::new());
        let mut peer = Self { name, language: String::new(), version: String::new(), roles, run };
        peer.version = peer.ask("version")?.trim().to_owned();
        for line in peer.ask("features")?.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if word == "language" {
                peer.language = rest.to_owned();
                continue;
            }
            let role = Role::ALL.into_iter().find(|role| role.name() == word);
            let role = role.ok_or_else(|| format!("{}: {word} is not a role", peer.name))?;
            let features = rest.split_whitespace().map(str::to_owned).collect();
            peer.roles.push((role, features));
        }
        Ok(peer)
    }

    /// Starts `run` with these arguments and variables.
    pub(crate) fn start(
        &self,
        arguments: &[&str],
        variables: &[(&'static str, String)],
    ) -> Result<Program, Failure> {
        let mut command = Command::new(&self.run);
        command.args(arguments);
        for name in ["DEFLATE", "SUBPROTOCOL", "HEADER", "CA", "CERT", "KEY", "AUTH"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().cloned());
        Program::start(command)
    }

    fn ask(&self, question: &str) -> Result<String, Failure> {
        let mut program = self.start(&[question], &[])?;
        let status = program.wait(Duration::from_secs(60))?;
        if !status.success() {
            return Err(format!("{}: run {question}: {status}{}", self.name, program.printed()));
        }
        Ok(program.out())
    }
}

/// A variable that `tests/interop/run` sets.
pub(crate) fn variable(name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|_| format!("{name} is not set; call tests/interop/run"))
}
