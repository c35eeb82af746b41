//! The options of a measurement.

/// The options of a measurement.
#[derive(clap::Args, Clone)]
pub struct RunOptions {
    /// How often each scenario is measured. The order of the candidates changes from round to round
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// How long one measurement takes
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,

    /// How many connections send requests at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// How many sessions the scenarios with many sessions use
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub sessions: u32,

    /// How many worker threads each server has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: u32,

    /// The program that stores the sessions: `redis-server`, or `valkey-server`
    #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
    pub redis_server: String,

    /// Measure only the scenarios whose name contains this text, and write no document
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub only: String,

    /// Let the operating system choose the cores. By default, servers run on core 0, and Redis and wrk on core 1
    #[arg(long)]
    pub no_pin: bool,

    /// Check that everything works: one round of one second, 1,000 sessions instead of 100,000, and no document
    #[arg(long)]
    pub quick: bool,

    /// Measure the packages for Python and Node.js, each against its framework's usual sessions
    #[arg(long, conflicts_with_all = ["workers", "soak"])]
    pub packages: bool,

    /// Measure `SESSION_CACHE`: requests per second, reads over a network, commands, and how old a session is shown
    #[arg(long, conflicts_with_all = ["workers", "soak", "packages"])]
    pub cache: bool,

    /// Instead of measuring, send this many requests to shared-session, and report its memory
    #[arg(long, value_name = "REQUESTS")]
    pub soak: Option<u64>,
}
