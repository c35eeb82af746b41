//! `insert`, `update`, `remove`, `clear`, `renew` and `purge` in any order in one handler do what actix-session
//! documents, and `update` is stored. Random handlers are compared with a model.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::Stack;

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

/// What actix-session documents: a purged session ignores further operations, and `update` changes only an existing field.
#[derive(Default)]
struct Model {
    fields: HashMap<String, String>,
    renewed: bool,
    purged: bool,
}

impl Model {
    fn handle(&mut self, ops: &[Op]) {
        (self.renewed, self.purged) = (false, false);
        for op in ops {
            match op {
                Op::Purge => {
                    self.purged = true;
                    self.fields.clear();
                }
                _ if self.purged => {}
                Op::Insert(name, value) => drop(self.fields.insert(name.to_string(), value.to_string())),
                Op::Update(name) => {
                    if let Some(value) = self.fields.get_mut(&name.to_string()) {
                        value.push('1');
                        *value = value.trim_start_matches('0').to_owned();
                    }
                }
                Op::Remove(name) => drop(self.fields.remove(&name.to_string())),
                Op::Clear => self.fields.clear(),
                Op::Renew => self.renewed = true,
            }
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
        model.handle(ops);
        let response = stack.send(service, &path(ops), cookie.as_deref()).await;
        assert_eq!(response.status, 200, "{ops:?}");
        let old = cookie.clone();
        match (&old, model.purged, model.renewed) {
            (Some(_), true, _) => {
                assert!(response.set_cookie.as_deref().unwrap().contains("Max-Age=0"), "{ops:?}");
                cookie = None;
            }
            (Some(old), false, true) => {
                cookie = Some(response.cookie.expect("a renewed session gets a new id"));
                assert_ne!(cookie.as_ref(), Some(old));
                assert!(stack.fields(0, old).await.is_empty(), "{ops:?}");
            }
            (Some(_), false, false) => assert_eq!(response.set_cookie, None, "{ops:?}"),
            (None, ..) => {
                assert_eq!(response.cookie.is_some(), !model.fields.is_empty(), "{ops:?}");
                cookie = response.cookie;
            }
        }
        if let Some(cookie) = &cookie {
            assert_eq!(stack.fields(service + 1, cookie).await, model.fields, "{ops:?}");
        }
        if let (Some(old), true) = (&old, model.purged) {
            assert!(stack.fields(service + 1, old).await.is_empty(), "{ops:?}");
        }
    }
}

#[test]
fn operations_in_any_order_match_the_documentation() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    for stack in [Stack::in_memory(), Stack::in_redis()] {
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
