//! [`Topology`]: where Redis runs, as a URL says.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

const UNKNOWN: &str = "unknown URL; it is memory: or begins with redis://, rediss://, redis+unix://, redis-sentinel://, \
                       rediss-sentinel://, redis-cluster:// or rediss-cluster://";

/// Where Redis runs. `Debug` shows no password.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    /// The server, the Sentinels, or some nodes of the cluster, each with its login. There is at least one.
    pub servers: Vec<ConnectionInfo>,
    pub kind: Kind,
}

/// What the servers are.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// One server.
    Server,
    /// Sentinels. They name the primary.
    Sentinel {
        /// The name of the primary in the configuration of the Sentinels.
        primary: String,
        /// The login of the primary, and the number of the database.
        login: RedisConnectionInfo,
    },
    /// Nodes of a cluster.
    Cluster,
}

impl Topology {
    /// Parses a URL. The error does not repeat it, because it can hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(UNKNOWN.to_owned());
        };
        if !cfg!(feature = "tls") && scheme.starts_with("rediss") {
            return Err("TLS needs the feature `tls` of the crate shared-session".to_owned());
        }
        if rest.contains('#') {
            return Err("a URL of Redis has no fragment; write # in a password as %23".to_owned());
        }
        match scheme {
            "redis" | "rediss" | "redis+unix" => {
                check_parameters(scheme, rest)?;
                Ok(Self {
                    servers: vec![server(url)?],
                    kind: Kind::Server,
                })
            }
            "redis-sentinel" => sentinel("redis", rest),
            "rediss-sentinel" => sentinel("rediss", rest),
            "redis-cluster" => cluster("redis", rest),
            "rediss-cluster" => cluster("rediss", rest),
            _ => Err(UNKNOWN.to_owned()),
        }
    }

    /// Returns whether the connections use TLS.
    pub fn uses_tls(&self) -> bool {
        matches!(self.servers[0].addr(), ConnectionAddr::TcpTls { .. })
    }
}

/// Refuses a parameter that nobody reads: a program must not use database 0 because the number is in the wrong place.
fn check_parameters(scheme: &str, rest: &str) -> Result<(), String> {
    let (known, reason): (&[&str], _) = match scheme {
        // the path is that of the socket, so that login and database are parameters
        "redis+unix" => (
            &["db", "user", "pass"],
            "unknown parameter; use db, user or pass, as in redis+unix:///path?db=3",
        ),
        _ => (
            &[],
            "a URL of one server has no parameters; write the number of the database after the host, as in \
             redis://host:6379/3, and a ? in a password as %3F",
        ),
    };
    let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let is_known = |parameter: &str| parameter.split_once('=').is_some_and(|(name, _)| known.contains(&name));
    if parameters.all(is_known) {
        Ok(())
    } else {
        Err(reason.to_owned())
    }
}

/// Parses the URL of one server.
fn server(url: &str) -> Result<ConnectionInfo, String> {
    let info = url.into_connection_info().map_err(|error| {
        let text = error.to_string();
        let reason = text.split(" - ").next().unwrap_or_default();
        format!("invalid Redis URL: {reason}")
    })?;
    if info.addr().to_string().contains(',') {
        return Err("more than one server; use redis-sentinel:// or redis-cluster://".to_owned());
    }
    Ok(info)
}

/// Parses `user:password@h1:26379,h2:26379/primary/0?sentinel_user=…&sentinel_password=…`.
fn sentinel(scheme: &str, rest: &str) -> Result<Topology, String> {
    let Parts {
        login,
        hosts,
        path,
        query,
    } = Parts::of(rest)?;
    let (primary, database) = path.split_once('/').unwrap_or((path, ""));
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if primary.is_empty() {
        return Err("missing name of the primary; write it after the Sentinels: /mymaster/0".to_owned());
    }
    if !primary.bytes().all(in_name) {
        return Err("invalid name of the primary; it consists of letters, digits and .-_".to_owned());
    }
    let sentinel_login = sentinel_login(query)?;
    let sentinels = hosts.iter().map(|host| {
        if !has_port(host) {
            return Err("a Sentinel without a port; write host:26379".to_owned());
        }
        server(&format!("{scheme}://{sentinel_login}{host}"))
    });
    let of_primary = server(&format!("{scheme}://{login}{}/{database}", hosts[0]))?;
    Ok(Topology {
        servers: sentinels.collect::<Result<_, _>>()?,
        kind: Kind::Sentinel {
            primary: primary.to_owned(),
            login: of_primary.redis_settings().clone(),
        },
    })
}

/// Parses `user:password@h1:6379,h2:6379`.
fn cluster(scheme: &str, rest: &str) -> Result<Topology, String> {
    let Parts {
        login,
        hosts,
        path,
        query,
    } = Parts::of(rest)?;
    if !path.is_empty() {
        return Err("a cluster has one database without a number; remove it from the URL".to_owned());
    }
    if !query.is_empty() {
        return Err("a URL of a cluster has no parameters".to_owned());
    }
    let nodes = hosts.iter().map(|host| server(&format!("{scheme}://{login}{host}")));
    Ok(Topology {
        servers: nodes.collect::<Result<_, _>>()?,
        kind: Kind::Cluster,
    })
}

/// The parts of a URL with several hosts.
struct Parts<'a> {
    /// Empty, or ends with `@`.
    login: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Result<Self, String> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains("://") {
            return Err("the URL has one scheme, at its beginning, which decides for all servers about TLS".to_owned());
        }
        let (login, rest) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts: Vec<_> = hosts.split(',').collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err("missing host; write host:port,host:port".to_owned());
        }
        Ok(Self {
            login,
            hosts,
            path,
            query,
        })
    }
}

/// Returns the login of the Sentinels as the beginning of a URL.
fn sentinel_login(query: &str) -> Result<String, String> {
    let (mut user, mut password) = ("", None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = Some(value),
            _ => return Err("unknown parameter; use sentinel_user or sentinel_password".to_owned()),
        }
    }
    Ok(match (user, password) {
        ("", None) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(password)) => format!("{user}:{password}@"),
    })
}

fn has_port(host: &str) -> bool {
    let port = host.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(info: &RedisConnectionInfo) -> (Option<&str>, Option<&str>, i64) {
        (info.username(), info.password(), info.db())
    }

    fn parse(url: &str) -> Topology {
        Topology::parse(url).unwrap()
    }

    fn addresses(topology: &Topology) -> Vec<String> {
        let addresses = topology.servers.iter().map(|info| info.addr().to_string());
        addresses.collect()
    }

    fn logins(topology: &Topology) -> Vec<(Option<&str>, Option<&str>, i64)> {
        let logins = topology.servers.iter().map(|info| login(info.redis_settings()));
        logins.collect()
    }

    fn login_of_primary(topology: &Topology) -> (Option<&str>, Option<&str>, i64) {
        let Kind::Sentinel { login: of_primary, .. } = &topology.kind else {
            panic!("not Sentinel");
        };
        login(of_primary)
    }

    #[test]
    fn one_server_has_an_address_a_login_and_a_database() {
        for (url, address, login) in [
            (
                "redis://anna:p%40ss@host:7000/3",
                "host:7000",
                (Some("anna"), Some("p@ss"), 3),
            ),
            ("redis+unix:///run/redis.sock", "/run/redis.sock", (None, None, 0)),
            (
                "redis+unix:///run/redis.sock?db=3&user=anna&pass=p%40ss",
                "/run/redis.sock",
                (Some("anna"), Some("p@ss"), 3),
            ),
        ] {
            let topology = parse(url);
            assert!(matches!(topology.kind, Kind::Server));
            assert_eq!(
                (addresses(&topology), logins(&topology)),
                (vec![address.to_owned()], vec![login])
            );
        }
    }

    #[test]
    fn sentinels_have_a_login_of_their_own() {
        let url = "redis-sentinel://anna:p%40ss@h1:26379,[::1]:26380/my-master.1/3?sentinel_user=bob&sentinel_password=%2F%3F";
        let topology = parse(url);
        assert!(matches!(&topology.kind, Kind::Sentinel { primary, .. } if primary == "my-master.1"));
        assert_eq!(login_of_primary(&topology), (Some("anna"), Some("p@ss"), 3));
        assert_eq!(addresses(&topology), ["h1:26379", "::1:26380"]);
        assert_eq!(logins(&topology), [(Some("bob"), Some("/?"), 0); 2]);
        let topology = parse("redis-sentinel://:secret@h1:26379/mymaster");
        assert_eq!(login_of_primary(&topology), (None, Some("secret"), 0));
        assert_eq!(logins(&topology), [(None, None, 0)]);
    }

    #[test]
    fn every_node_of_a_cluster_has_the_login() {
        let topology = parse("redis-cluster://anna:secret@h1:7000,h2");
        assert!(matches!(topology.kind, Kind::Cluster));
        assert_eq!(addresses(&topology), ["h1:7000", "h2:6379"]);
        assert_eq!(logins(&topology), [(Some("anna"), Some("secret"), 0); 2]);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn schemes_with_tls_use_it_and_verify_certificates() {
        for url in ["rediss://h1", "rediss-sentinel://h1:1,h2:2/m", "rediss-cluster://h1,h2"] {
            let topology = Topology::parse(url).unwrap();
            assert!(topology.uses_tls());
            assert!(!format!("{topology:?}").contains("insecure: true"));
            assert!(Topology::parse(&format!("{url}#insecure")).is_err());
            assert!(!Topology::parse(&url.replace("rediss", "redis")).unwrap().uses_tls());
        }
    }

    #[test]
    fn invalid_urls_are_refused_with_a_reason_that_repeats_no_password() {
        for (url, reason) in [
            ("http://:secret@host", "unknown URL"),
            ("redis", "unknown URL"),
            ("redis:secret", "unknown URL"),
            ("sentinel://:secret@host:26379/m", "unknown URL"),
            ("redis://:secret@host:port", "did not parse"),
            ("redis://:secret@host/name", "database number"),
            ("redis://:secret@h1,h2", "more than one server"),
            ("redis://:secret@host?db=3", "no parameters"),
            ("redis://:secret@host/3?protocol=resp3", "no parameters"),
            ("redis://host?password=secret", "no parameters"),
            ("redis://host?secret", "no parameters"),
            ("redis://:secret?@host", "no parameters"),
            ("redis+unix:///socket?database=3&pass=secret", "unknown parameter"),
            ("redis+unix:///socket?pass=secret&protocol=resp3", "unknown parameter"),
            ("redis+unix:///socket?db=secret", "database number"),
            ("redis://:secret@host/#insecure", "fragment"),
            ("redis-sentinel://:secret@h1:26379", "name of the primary"),
            ("redis-sentinel://:secret@h1:26379/", "name of the primary"),
            ("redis-sentinel://:secret@h1:26379//0", "name of the primary"),
            ("redis-sentinel://:secret@h1:26379/a%20b/0", "name of the primary"),
            ("redis-sentinel://:secret@h1:26379/m/x", "database number"),
            ("redis-sentinel://:secret@h1:26379/m/0/1", "database number"),
            ("redis-sentinel://:secret@h1,h2:26379/m", "without a port"),
            ("redis-sentinel://:secret@[::1]/m", "without a port"),
            ("redis-sentinel://:secret@/m", "missing host"),
            ("redis-sentinel://:secret@h1:26379,/m", "missing host"),
            (
                "redis-sentinel://:secret@h1:26379/m?password=secret",
                "unknown parameter",
            ),
            ("redis-sentinel://h1:26379,rediss://:secret@h2:26379/m", "one scheme"),
            ("redis-sentinel://h1:26379,rediss://h2:26379/m", "one scheme"),
            ("redis-cluster://:secret@h1:7000,h2:7001/0", "number"),
            ("redis-cluster://:secret@h1:7000?db=0", "no parameters"),
            #[cfg(feature = "tls")]
            ("rediss://:secret@host?db=3", "no parameters"),
            ("redis-sentinel://:secret@h1:26379/m?db=3", "unknown parameter"),
            ("redis-cluster://", "missing host"),
        ] {
            let error = Topology::parse(url).unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
    }
}
