//! Tests what [`AccountRepository`] promises, on every implementation. Redis is a real server.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use service_kit::Failure;
use service_kit::testing::database;
use shared_session_testkit::servers::RedisServer;
use tokio::task::JoinSet;

use super::{AccountRepository, open};
use crate::account::{Account, UserId};

/// Makes a test of each check for each implementation.
macro_rules! contract {
    ($($check:ident),+ $(,)?) => {
        mod memory {
            $(#[actix_web::test]
            async fn $check() {
                super::$check(super::accounts("memory:")).await;
            })+
        }

        mod redis {
            $(#[actix_web::test]
            async fn $check() {
                let server = super::RedisServer::start();
                super::$check(super::accounts(&server.url())).await;
            })+
        }
    };
}

contract! {
    stored_account_is_returned_unchanged,
    create_may_be_repeated,
    taken_id_is_rejected,
    account_is_replaced_if_it_is_the_expected_one,
    replacing_may_be_repeated,
    replacing_creates_no_account,
    deleted_account_is_gone_and_its_id_is_free,
    concurrent_creates_store_one_account,
    concurrent_replacements_store_one_account,
}

/// Opens the repository of a process with this `SESSION_STORE`.
fn accounts(store: &str) -> Arc<dyn AccountRepository> {
    open(&database(&["--session-store", store]))
}

fn account(user_id: &str, password_hash: &str) -> Account {
    Account {
        id: format!("{user_id} {password_hash}"),
        user_id: UserId::parse(user_id).unwrap(),
        name: format!("<{user_id}> \"홍길동\""),
        password_hash: password_hash.to_owned(),
        created: 1_763_830_000,
        registration: Some("a digest".to_owned()),
    }
}

fn with_hash(account: &Account, password_hash: &str) -> Account {
    Account {
        password_hash: password_hash.to_owned(),
        ..account.clone()
    }
}

async fn stored_account_is_returned_unchanged(accounts: Arc<dyn AccountRepository>) {
    let anna = account("anna", "one");
    assert!(accounts.find(&anna.user_id).await.unwrap().is_none());
    assert!(accounts.create(&anna).await.unwrap());
    assert!(accounts.find(&anna.user_id).await.unwrap() == Some(anna));
}

async fn create_may_be_repeated(accounts: Arc<dyn AccountRepository>) {
    let anna = account("anna", "one");
    for _ in 0..2 {
        assert!(accounts.create(&anna).await.unwrap());
    }
    assert!(accounts.find(&anna.user_id).await.unwrap() == Some(anna));
}

async fn taken_id_is_rejected(accounts: Arc<dyn AccountRepository>) {
    let anna = account("anna", "one");
    assert!(accounts.create(&anna).await.unwrap());
    assert!(!accounts.create(&account("anna", "two")).await.unwrap());
    assert!(accounts.find(&anna.user_id).await.unwrap() == Some(anna));
}

async fn account_is_replaced_if_it_is_the_expected_one(accounts: Arc<dyn AccountRepository>) {
    let berta = account("berta", "one");
    assert!(accounts.create(&berta).await.unwrap());
    let changed = with_hash(&berta, "two");
    for unexpected in [with_hash(&berta, "other"), account("berta", "other")] {
        assert!(!accounts.replace(&unexpected, Some(&changed)).await.unwrap());
        assert!(!accounts.replace(&unexpected, None).await.unwrap());
        assert!(accounts.find(&berta.user_id).await.unwrap() == Some(berta.clone()));
    }
    assert!(accounts.replace(&berta, Some(&changed)).await.unwrap());
    assert!(accounts.find(&berta.user_id).await.unwrap() == Some(changed));
}

async fn replacing_may_be_repeated(accounts: Arc<dyn AccountRepository>) {
    let berta = account("berta", "one");
    let changed = with_hash(&berta, "two");
    assert!(accounts.create(&berta).await.unwrap());
    for _ in 0..2 {
        assert!(accounts.replace(&berta, Some(&changed)).await.unwrap());
        assert!(accounts.find(&berta.user_id).await.unwrap() == Some(changed.clone()));
    }
}

async fn replacing_creates_no_account(accounts: Arc<dyn AccountRepository>) {
    let berta = account("berta", "one");
    assert!(!accounts.replace(&berta, Some(&with_hash(&berta, "two"))).await.unwrap());
    assert!(accounts.find(&berta.user_id).await.unwrap().is_none());
}

async fn deleted_account_is_gone_and_its_id_is_free(accounts: Arc<dyn AccountRepository>) {
    let (anna, berta) = (account("anna", "one"), account("berta", "two"));
    assert!(!accounts.replace(&anna, None).await.unwrap());
    for account in [&anna, &berta] {
        assert!(accounts.create(account).await.unwrap());
    }
    assert!(accounts.replace(&anna, None).await.unwrap());
    assert!(!accounts.replace(&anna, None).await.unwrap());
    assert!(accounts.find(&anna.user_id).await.unwrap().is_none());
    assert!(accounts.find(&berta.user_id).await.unwrap() == Some(berta));
    let again = account("anna", "three");
    assert!(accounts.create(&again).await.unwrap());
    // a late command for the deleted account leaves the new one alone
    assert!(!accounts.replace(&anna, None).await.unwrap());
    assert!(accounts.find(&again.user_id).await.unwrap() == Some(again));
}

async fn concurrent_creates_store_one_account(accounts: Arc<dyn AccountRepository>) {
    for round in 0..10 {
        let id = format!("many-{round}");
        let mut attempts = JoinSet::new();
        for attempt in 0..50 {
            let (accounts, account) = (accounts.clone(), account(&id, &attempt.to_string()));
            attempts.spawn(async move {
                let created = accounts.create(&account).await.unwrap();
                created.then_some(account.password_hash)
            });
        }
        let created: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
        assert_eq!(created.len(), 1);
        let stored = accounts.find(&UserId::parse(&id).unwrap()).await.unwrap();
        assert_eq!(stored.map(|account| account.password_hash).as_ref(), created.first());
    }
}

async fn concurrent_replacements_store_one_account(accounts: Arc<dyn AccountRepository>) {
    let berta = account("berta", "old");
    assert!(accounts.create(&berta).await.unwrap());
    let mut attempts = JoinSet::new();
    for attempt in 0..50 {
        let (accounts, berta) = (accounts.clone(), berta.clone());
        attempts.spawn(async move {
            let changed = with_hash(&berta, &attempt.to_string());
            let replaced = accounts.replace(&berta, Some(&changed)).await.unwrap();
            replaced.then_some(changed)
        });
    }
    let replaced: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
    assert_eq!(replaced.len(), 1);
    assert!(accounts.find(&berta.user_id).await.unwrap().as_ref() == replaced.first());
}

#[actix_web::test]
async fn redis_record_has_the_documented_form_and_no_expiry() {
    let server = RedisServer::start();
    assert!(accounts(&server.url()).create(&account("anna", "one")).await.unwrap());
    let record: String = server.run(&["GET", "user:account:anna"]);
    let name = "<anna> \\\"홍길동\\\"";
    assert_eq!(
        record,
        format!(
            "{{\"account\":\"anna one\",\"name\":\"{name}\",\"password\":\"one\",\"created\":1763830000,\"registration\":\"a digest\"}}"
        )
    );
    let ttl: i64 = server.run(&["TTL", "user:account:anna"]);
    assert_eq!(ttl, -1);
}

#[actix_web::test]
async fn processes_share_the_accounts_in_redis() {
    let server = RedisServer::start();
    let anna = account("anna", "one");
    assert!(accounts(&server.url()).create(&anna).await.unwrap());
    let other_process = accounts(&server.url());
    assert!(other_process.find(&anna.user_id).await.unwrap() == Some(anna));
    assert!(!other_process.create(&account("anna", "three")).await.unwrap());
}

#[actix_web::test]
async fn unreadable_record_is_an_error_and_is_kept() {
    let server = RedisServer::start();
    let accounts = accounts(&server.url());
    let anna = account("anna", "one");
    for record in [
        "",
        "null",
        "{\"name\":\"Anna\",\"password\":\"one\",\"created\":5}",
        "no JSON",
    ] {
        let () = server.run(&["SET", "user:account:anna", record]);
        for failure in [
            accounts.find(&anna.user_id).await.err(),
            accounts.replace(&anna, Some(&with_hash(&anna, "two"))).await.err(),
        ] {
            assert!(matches!(failure, Some(Failure::Unreadable("account"))), "{failure:?}");
        }
        assert!(!accounts.create(&anna).await.unwrap());
        let stored: String = server.run(&["GET", "user:account:anna"]);
        assert_eq!(stored, record);
    }
}

#[actix_web::test]
async fn unavailable_redis_is_an_error_until_it_is_back() {
    let mut server = RedisServer::start();
    // by default, Redis may lose the last second if it is killed
    let () = server.run(&["CONFIG", "SET", "appendfsync", "always"]);
    let accounts = accounts(&server.url());
    let anna = account("anna", "one");
    assert!(accounts.create(&anna).await.unwrap());
    server.kill();
    for failure in [
        accounts.find(&anna.user_id).await.err(),
        accounts.create(&anna).await.err(),
        accounts.replace(&anna, Some(&with_hash(&anna, "two"))).await.err(),
    ] {
        assert!(matches!(failure, Some(Failure::Unavailable(_))), "{failure:?}");
    }
    server.restart(&[]);
    assert!(accounts.find(&anna.user_id).await.unwrap() == Some(anna));
}
