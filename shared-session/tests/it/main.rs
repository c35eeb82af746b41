//! The tests of this crate: one program, because each one more takes long to link. A test of what belongs to the whole process
//! calls `alone` first.

#![allow(clippy::unwrap_used)]

mod application;
mod cluster;
mod cluster_contract;
mod codec_suite;
mod compare_and_set;
mod connection;
mod connections;
mod contract;
mod contract_detects_broken_backends;
mod cookie_attributes;
mod current_session;
mod deadline;
mod disconnects;
mod explorer;
mod failing_middleware;
mod failures;
mod forwarder;
mod hearsay;
mod http;
mod idle_timeout;
mod log;
mod log_crate;
mod logs;
mod lost_reply;
mod merged_commits;
mod metrics;
mod misuse;
mod operations;
mod php_real;
mod php_rules;
mod php_sessions;
mod php_vectors;
mod ports;
mod process;
mod properties;
mod record_size;
mod redis_outage;
mod registry;
mod renewal_hang;
mod replicas;
mod scaling;
mod sentinel;
mod settings;
mod several_cookies;
mod several_cookies_warning;
mod stalls;
mod support;
mod tls;
mod tower_session;
mod two_doors;
mod wire_client;
mod wire_format;
mod wrong_clock;
