//! Brings what operators do by command into the log of the running service, which is kept: a command leaves its events in Redis,
//! and one process of the service takes them and logs them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::rt;
use redis::cmd;
use service_kit::Failure;
use service_kit::audit::Event;
use service_kit::database::{Database, Redis};
use tracing::debug;

use crate::token::Token;

/// A sorted set: the score is the time.
const KEY: &str = "user:audit";

const INTERVAL: Duration = Duration::from_secs(1);

/// Leaves events for the service.
pub async fn send(redis: &Redis, events: &[Event]) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for event in events {
        let json = serde_json::to_string(event).map_err(|error| Failure::Internal(error.to_string()))?;
        // two events may be alike
        let member = format!("{} {json}", Token::generate()?.as_str());
        let milliseconds = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let _added: u64 = redis.write(cmd("ZADD").arg(KEY).arg(milliseconds).arg(member)).await?;
    }
    Ok(())
}

/// Logs the events of commands from now on. Must be called in an actix runtime.
pub fn start(database: &Database) {
    if let Database::Redis(redis) = database.clone() {
        rt::spawn(async move {
            loop {
                if let Err(error) = log(&redis).await {
                    debug!(%error, "failed to read the events of operators");
                }
                rt::time::sleep(INTERVAL).await;
            }
        });
    }
}

async fn log(redis: &Redis) -> Result<(), Failure> {
    let members: Vec<String> = redis.run(cmd("ZRANGE").arg(KEY).arg(0).arg(-1)).await?;
    for member in members {
        // another process may have taken it
        let is_taken: bool = redis.run(cmd("ZREM").arg(KEY).arg(&member)).await?;
        let event = member
            .split_once(' ')
            .map(|(_, json)| serde_json::from_str::<Event>(json));
        if let (true, Some(Ok(event))) = (is_taken, event) {
            event.log();
        }
    }
    Ok(())
}
