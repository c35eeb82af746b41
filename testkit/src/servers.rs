//! Real servers for tests, each on a port that no other test has.

mod certificates;
mod port;
mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod server_process;

pub use self::certificates::Certificates;
pub use self::port::Port;
pub use self::redis_cluster::RedisCluster;
pub use self::redis_sentinel::RedisSentinel;
pub use self::redis_server::RedisServer;
pub use self::server_process::{Exit, ServerProcess, start_again};
