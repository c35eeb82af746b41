//! What distinguishes one service from another.

use crate::resources::{Resources, Routes};

/// A service: its name, its place and its routes. Everything else about running it is the same for all.
#[derive(Clone, Copy, Debug)]
pub struct Service<R = fn(&Resources) -> Routes> {
    /// The program's name.
    pub name: &'static str,
    /// The program's version: `env!("CARGO_PKG_VERSION")` of the service's own crate.
    pub version: &'static str,
    /// What it does, in a sentence for `--help`.
    pub about: &'static str,
    /// Where it listens unless `--bind` says otherwise.
    pub bind: &'static str,
    /// The paths its pages lie under, such as `/user`: each gets the stylesheet, and missing pages lead back to it.
    pub prefixes: &'static [&'static str],
    /// Whether this process is the whole application rather than one of several services behind a proxy. Then it
    /// prints the addresses to open, sets the headers that the proxy sets, and sessions that are in its memory alone are
    /// nothing to warn of.
    pub whole: bool,
    /// Makes the routes, with their prefixes. They have the session. Called once, before anything is bound.
    pub routes: R,
}

impl<R> Service<R> {
    /// The same service with other routes.
    pub fn with_routes<O>(self, routes: O) -> Service<O> {
        Service {
            name: self.name,
            version: self.version,
            about: self.about,
            bind: self.bind,
            prefixes: self.prefixes,
            whole: self.whole,
            routes,
        }
    }
}
