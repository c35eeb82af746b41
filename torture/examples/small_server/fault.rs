//! The faults: each breaks one promise, which the experiment of the same name is to notice.

use clap::ValueEnum;

/// One promise that the server breaks.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A visit without a cookie begins a session
    EmptyVisits,
    /// A read is two commands
    CommandsPerRead,
    /// Setting a field writes the whole record back
    ConcurrentUpdates,
    /// A change writes the whole record back, under a lock of this process
    AcrossProcesses,
    /// A count reads the number and writes it
    ConcurrentCounts,
    /// A slow change writes back every field that it read
    RemovedField,
    /// A list keeps its first item only
    ListItem,
    /// A slow change does not look whether the session was ended
    LogOutInFlight,
    /// Adding to a list does not look whether the session was ended
    LogOutAgainstAdds,
    /// A change in flight does not find the renewed session
    RenewalInFlight,
    /// A sign-in keeps the id
    Fixation,
    /// The old id stays valid after renewal
    OldIdAfterRenewal,
    /// A change begins a session under an id that the request brought
    ForeignIds,
    /// Redis holds the ids
    IdsAtRest,
    /// A log-out ends only the first session
    TwoCookies,
    /// A sign-in with a superseded id is refused
    DoubleSignIn,
    /// A cookie header that cannot be parsed is an error of the server
    MalformedCookies,
    /// Only the first cookie with the name is looked at
    GarbageBeside,
    /// Sessions do not expire
    Expiry,
    /// A value is cut to 64 KiB
    LargeSession,
    /// A change whose client is gone is left half done
    ResetChange,
    /// A renewal whose reply is lost loses the session
    ResetRenewal,
    /// A sign-in whose reply is lost loses the session
    ResetSignIn,
    /// A command has no time limit
    RedisHung,
    /// A lost connection is not replaced
    RedisKilled,
    /// An id whose session Redis lost is an error of the server
    RedisEmpty,
    /// A change that a full Redis refuses counts as done
    RedisFull,
    /// A change that a read-only Redis refuses counts as done
    RedisReadOnly,
    /// While Redis is loading nobody has a session
    RedisLoading,
    /// While Redis refuses connections nobody has a session
    RedisRefusing,
    /// A reply has no time limit while new connections work
    IdleConnection,
    /// A change without a reply in time counts as done
    LostReplies,
    /// A change whose connection is lost counts as done
    KilledConnections,
    /// The primary's address is asked for once
    FailOver,
    /// After the process was stopped, it answers nothing for a minute
    Pause,
    /// Each request keeps 10 KB for ever
    SoakMemory,
    /// Each request keeps a connection to Redis open
    SoakSockets,
    /// Each change leaves a key behind
    SoakKeys,
}

impl Fault {
    /// Prints every fault with what it does.
    pub fn print_all() {
        for value in Self::value_variants().iter().filter_map(Self::to_possible_value) {
            println!(
                "{:22}{}",
                value.get_name(),
                value.get_help().map(ToString::to_string).unwrap_or_default()
            );
        }
    }
}
