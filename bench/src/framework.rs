//! The frameworks whose sessions are measured.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use crate::candidate::Candidate;
use crate::process::{Core, Cores};
use crate::scenario::{Scenario, Sessions};

/// The servers in Python and JavaScript, and what they need.
pub const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packages");

/// A framework, with its alternative to shared-session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framework {
    Actix,
    Flask,
    Django,
    Express,
}

impl Framework {
    pub fn name(self) -> &'static str {
        match self {
            Self::Actix => "actix-web",
            Self::Flask => "Flask",
            Self::Django => "Django",
            Self::Express => "Express",
        }
    }

    pub fn alternative(self) -> &'static str {
        match self {
            Self::Actix => "actix-session",
            Self::Flask => "Flask-Session",
            Self::Django => "Django",
            Self::Express => "express-session",
        }
    }

    /// Returns who takes part in a scenario. The servers in Python and JavaScript have only some of the pages.
    pub fn candidates(self, scenario: &Scenario) -> Vec<Candidate> {
        let takes_part = |candidate: &Candidate| match candidate {
            _ if self == Self::Actix => true,
            _ if scenario.sessions != Sessions::Few => false,
            Candidate::Memory => false,
            Candidate::AlternativeDefault => self == Self::Django,
            _ => true,
        };
        scenario.candidates.iter().copied().filter(takes_part).collect()
    }

    /// Returns the command of a server, which prints its port.
    pub fn server(self, cores: Cores, candidate: Candidate, store: &str, workers: u32) -> Result<Command> {
        let start = |program: &str, arguments: &[&str]| {
            let mut command = cores.command(Core::Server, program);
            command.args(arguments).current_dir(PACKAGES);
            command
                .env("CANDIDATE", candidate.argument())
                .env("SESSION_STORE", store)
                .env("NODE_ENV", "production");
            command
        };
        let gunicorn = format!("{PACKAGES}/.venv/bin/gunicorn");
        Ok(match self {
            Self::Actix => {
                let program = env::current_exe()?;
                let arguments = ["serve", &candidate.argument(), store, &workers.to_string()];
                start(program.to_str().context("invalid path")?, &arguments)
            }
            Self::Flask => start(&gunicorn, &["flask_pages:app"]),
            Self::Django => start(&gunicorn, &["django_pages:app"]),
            Self::Express => start("node", &["express_pages.js"]),
        })
    }
}
