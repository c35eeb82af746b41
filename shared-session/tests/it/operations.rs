//! `insert`, `update`, `remove`, `clear`, `renew` and `purge` in any order in one handler do what actix-session and tower-sessions
//! document, and `update` is stored. Random handlers are compared with a model.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Door, Stack};

#[derive(Clone, Debug)]
enum Op {
    Insert(char, u8),
    Update(char),
    Remove(char),
    Clear,
    Renew,
    Purge,
}

fn op() -> impl Strategy<Value = Op> {
    let name = prop::char::range('a', 'c');
    prop_oneof![
        6 => (name.clone(), 0..10_u8).prop_map(|(name, value)| Op::Insert(name, value)),
        4 => name.clone().prop_map(Op::Update),
        4 => name.prop_map(Op::Remove),
        1 => Just(Op::Clear),
        1 => Just(Op::Renew),
        1 => Just(Op::Purge),
    ]
}

#[derive(Default)]
struct Model {
    fields: HashMap<String, String>,
}

/// What a handler does to the session that its request came with.
#[derive(Debug, PartialEq)]
enum End {
    Kept,
    NewId,
    Ended,
}

impl Model {
    /// A purged session of actix-session ignores further operations. With tower-sessions, they begin another session, and a
    /// session that is renewed and left without fields ends, because a `flush` after `cycle_id` does nothing else.
    fn handle(&mut self, door: Door, ops: &[Op]) -> End {
        let was_empty = self.fields.is_empty();
        let (mut renewed, mut purged) = (false, false);
        for op in ops {
            match op {
                _ if purged && door == Door::Actix => {}
                Op::Purge => {
                    purged |= door == Door::Actix || !renewed;
                    self.fields.clear();
                }
                Op::Insert(name, value) => drop(self.fields.insert(name.to_string(), value.to_string())),
                Op::Update(name) => {
                    if let Some(value) = self.fields.get_mut(&name.to_string()) {
                        value.push('1');
                        *value = value.trim_start_matches('0').to_owned();
                    }
                }
                Op::Remove(name) => drop(self.fields.remove(&name.to_string())),
                Op::Clear => self.fields.clear(),
                Op::Renew => renewed = true,
            }
        }
        let is_emptied = door == Door::Axum && renewed && !was_empty;
        match self.fields.is_empty() {
            true if purged || is_emptied => End::Ended,
            _ if purged || renewed => End::NewId,
            _ => End::Kept,
        }
    }
}

fn path(ops: &[Op]) -> String {
    let words = ops.iter().map(|op| match op {
        Op::Insert(name, value) => format!("insert:{name}:{value}"),
        Op::Update(name) => format!("update:{name}"),
        Op::Remove(name) => format!("remove:{name}"),
        Op::Clear => "clear".to_owned(),
        Op::Renew => "renew".to_owned(),
        Op::Purge => "purge".to_owned(),
    });
    format!("/do/{}", words.collect::<Vec<_>>().join(","))
}

async fn assert_matches_model(stack: &Stack, requests: &[Vec<Op>]) {
    let mut model = Model::default();
    let mut cookie: Option<String> = None;
    for (service, ops) in requests.iter().enumerate() {
        let end = model.handle(stack.door, ops);
        let response = stack.send(service, &path(ops), cookie.as_deref()).await;
        assert_eq!(response.status, 200, "{ops:?}");
        let old = cookie.clone();
        match (&old, &end) {
            (Some(_), End::Ended) => {
                assert!(response.set_cookie.as_deref().unwrap().contains("Max-Age=0"), "{ops:?}");
                cookie = None;
            }
            (Some(old), End::NewId) => {
                cookie = Some(response.cookie.expect("a renewed session gets a new id"));
                assert_ne!(cookie.as_ref(), Some(old));
            }
            (Some(_), End::Kept) => assert_eq!(response.set_cookie, None, "{ops:?}"),
            (None, _) => {
                assert_eq!(response.cookie.is_some(), !model.fields.is_empty(), "{ops:?}");
                cookie = response.cookie;
            }
        }
        if let Some(cookie) = &cookie {
            assert_eq!(stack.fields(service + 1, cookie).await, model.fields, "{ops:?}");
        }
        if let Some(old) = old.filter(|_| end != End::Kept) {
            assert!(stack.fields(service + 1, &old).await.is_empty(), "{ops:?}");
        }
    }
}

fn assert_any_operations_match(door: Door) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    for stack in [Stack::in_memory(door), Stack::in_redis(door)] {
        let config = Config {
            cases: 150,
            failure_persistence: None,
            ..Config::default()
        };
        let requests = vec(vec(op(), 1..6), 1..6);
        let outcome = TestRunner::new(config).run(&requests, |requests| {
            runtime.block_on(assert_matches_model(&stack, &requests));
            Ok(())
        });
        outcome.unwrap();
    }
}

#[test]
fn operations_in_any_order_match_the_documentation_of_actix_session() {
    assert_any_operations_match(Door::Actix);
}

#[test]
fn operations_in_any_order_match_the_documentation_of_tower_sessions() {
    assert_any_operations_match(Door::Axum);
}
