//! What every place for accounts promises, tried on each, with a real Redis.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use service_kit::Failure;
use service_kit::testing::database;
use shared_session::testing::redis_server::RedisServer;
use tokio::task::JoinSet;

use super::{Accounts, open};
use crate::account::{Account, AccountId};

/// The accounts in the database of a process that has this store.
fn accounts(store: &str) -> Arc<dyn Accounts> {
    open(&database(&["--session-store", store]))
}

fn account(id: &str, hash: &str) -> Account {
    Account {
        id: AccountId::parse(id).unwrap(),
        name: format!("<{id}> \"홍길동\""),
        hash: hash.to_owned(),
        created: 1_763_830_000,
    }
}

async fn hash(accounts: &dyn Accounts, id: &AccountId) -> Option<String> {
    accounts.find(id).await.unwrap().map(|account| account.hash)
}

async fn contract(accounts: Arc<dyn Accounts>) {
    an_account_is_kept_as_it_is(&*accounts).await;
    a_hash_is_set_in_the_place_of_the_expected_one(&*accounts).await;
    one_of_many_with_one_id_is_kept(&accounts).await;
    one_of_many_hashes_is_set(&accounts).await;
}

async fn an_account_is_kept_as_it_is(accounts: &dyn Accounts) {
    let anna = account("anna", "one");
    assert!(accounts.find(&anna.id).await.unwrap().is_none());
    assert!(accounts.create(&anna).await.unwrap());
    assert!(accounts.find(&anna.id).await.unwrap() == Some(anna.clone()));
    // sent twice, it is the same; another's attempt is not, and changes nothing
    assert!(accounts.create(&anna).await.unwrap());
    assert!(!accounts.create(&account("anna", "two")).await.unwrap());
    assert!(accounts.find(&anna.id).await.unwrap() == Some(anna));
}

async fn a_hash_is_set_in_the_place_of_the_expected_one(accounts: &dyn Accounts) {
    let berta = account("berta", "one");
    assert!(!accounts.set_hash(&berta.id, "one", "two").await.unwrap());
    assert!(accounts.find(&berta.id).await.unwrap().is_none());
    assert!(accounts.create(&berta).await.unwrap());
    assert!(!accounts.set_hash(&berta.id, "other", "two").await.unwrap());
    assert_eq!(hash(accounts, &berta.id).await.as_deref(), Some("one"));
    // the second time as if its answer had been lost
    for _ in 0..2 {
        assert!(accounts.set_hash(&berta.id, "one", "two").await.unwrap());
        let changed = Account {
            hash: "two".to_owned(),
            ..berta.clone()
        };
        assert!(accounts.find(&berta.id).await.unwrap() == Some(changed));
    }
}

async fn one_of_many_with_one_id_is_kept(accounts: &Arc<dyn Accounts>) {
    for round in 0..10 {
        let id = format!("many-{round}");
        let mut attempts = JoinSet::new();
        for attempt in 0..50 {
            let (accounts, account) = (accounts.clone(), account(&id, &attempt.to_string()));
            attempts.spawn(async move { accounts.create(&account).await.unwrap().then_some(account.hash) });
        }
        let kept: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
        assert_eq!(kept.len(), 1);
        let id = AccountId::parse(&id).unwrap();
        assert_eq!(hash(&**accounts, &id).await.as_ref(), kept.first());
    }
}

async fn one_of_many_hashes_is_set(accounts: &Arc<dyn Accounts>) {
    for round in 0..10 {
        let account = account(&format!("change-{round}"), "old");
        assert!(accounts.create(&account).await.unwrap());
        let mut attempts = JoinSet::new();
        for attempt in 0..50 {
            let (accounts, id, new) = (accounts.clone(), account.id.clone(), attempt.to_string());
            attempts.spawn(async move { accounts.set_hash(&id, "old", &new).await.unwrap().then_some(new) });
        }
        let set: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
        assert_eq!(set.len(), 1);
        assert_eq!(hash(&**accounts, &account.id).await.as_ref(), set.first());
    }
}

#[actix_web::test]
async fn memory_keeps_the_contract() {
    contract(accounts("memory:")).await;
}

#[actix_web::test]
async fn redis_keeps_the_contract() {
    let server = RedisServer::start();
    contract(accounts(&server.url())).await;
    let record: String = server.run(&["GET", "user:account:anna"]);
    let name = "<anna> \\\"홍길동\\\"";
    assert_eq!(
        record,
        format!("{{\"name\":\"{name}\",\"password\":\"one\",\"created\":1763830000}}")
    );
    let ttl: i64 = server.run(&["TTL", "user:account:berta"]);
    assert_eq!(ttl, -1);
    // another process over the same Redis has them too
    let other = accounts(&server.url());
    assert!(!other.create(&account("anna", "three")).await.unwrap());
}

#[actix_web::test]
async fn what_cannot_be_read_is_left_as_it_is() {
    let server = RedisServer::start();
    let accounts = accounts(&server.url());
    let anna = account("anna", "one");
    for record in ["", "null", "{\"name\":\"Anna\"}", "no JSON"] {
        let () = server.run(&["SET", "user:account:anna", record]);
        for failure in [
            accounts.find(&anna.id).await.err(),
            accounts.set_hash(&anna.id, "one", "two").await.err(),
        ] {
            assert!(matches!(failure, Some(Failure::Unreadable("account"))), "{failure:?}");
        }
        assert!(!accounts.create(&anna).await.unwrap());
        let left: String = server.run(&["GET", "user:account:anna"]);
        assert_eq!(left, record);
    }
}

#[actix_web::test]
async fn a_database_that_is_away_is_told() {
    let mut server = RedisServer::start();
    // by default it may lose the last second where it is killed
    let () = server.run(&["CONFIG", "SET", "appendfsync", "always"]);
    let accounts = accounts(&server.url());
    let anna = account("anna", "one");
    assert!(accounts.create(&anna).await.unwrap());
    server.kill();
    for failure in [
        accounts.find(&anna.id).await.err(),
        accounts.create(&anna).await.err(),
        accounts.set_hash(&anna.id, "one", "two").await.err(),
    ] {
        assert!(matches!(failure, Some(Failure::Unavailable(_))), "{failure:?}");
    }
    server.restart(&[]);
    assert!(accounts.find(&anna.id).await.unwrap() == Some(anna));
}
