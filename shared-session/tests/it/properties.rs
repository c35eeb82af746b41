//! Properties of fields, changes and the json codec, for random input.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use shared_session::codec::{Codec, json::Json};
use shared_session::codec::{Field, Fields};
use shared_session::internals::Change;

type State = HashMap<String, String>;

/// States with few names, so that two of them have some in common.
fn state() -> impl Strategy<Value = State> {
    hash_map("[a-h]", "[0-9]", 0..8)
}

fn fields(state: &State) -> Fields {
    let field = |(name, value): (&String, &String)| Field {
        name: name.as_str().into(),
        value: value.as_str().into(),
        span: None,
    };
    Fields::decoded(Bytes::new(), state.iter().map(field).collect())
}

fn visible(fields: &Fields) -> State {
    let visible = fields.visible();
    visible
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn applied(to: &Fields, changes: &[&Change]) -> State {
    let mut fields = to.clone();
    for change in changes {
        fields.apply(change);
    }
    visible(&fields)
}

/// JSON text that is valid, but not as `serde_json` would write it.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})",
        "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,5}([eE][+-]?[0-9]{1,3})?",
        "\"([a-z가-힣]|\\\\u00[0-7][0-9a-f]|\\\\[nrt\"\\\\/])*\"",
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(" , "))),
            vec(("\"[a-c]\"", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name} :\t{value}"))
                    .collect();
                format!("{{{}}}", members.join(",\n"))
            }),
        ]
    })
}

/// Records as another program may write them, with repeated names, escapes and white space.
fn record() -> impl Strategy<Value = String> {
    vec(("\"([a-d]|\\\\u006[1-4])\"", json()), 0..6).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!(" {{ {} }}\n", members.join(" ,"))
    })
}

proptest! {
    /// The difference of two states, applied to the first, results in the second.
    #[test]
    fn a_change_leads_from_one_state_to_the_other(before in state(), after in state()) {
        let change = Change::between(&fields(&before), &after);
        prop_assert_eq!(change.is_empty(), before == after);
        prop_assert_eq!(applied(&fields(&before), &[&change]), after);
    }

    /// A change has the same effect on any other state, and no effect on the fields that it does not touch.
    #[test]
    fn a_change_touches_only_its_own_fields(before in state(), after in state(), third in state()) {
        let change = Change::between(&fields(&before), &after);
        let result = applied(&fields(&third), &[&change]);
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let expected = if change.touches(name) { after.get(name) } else { third.get(name) };
            prop_assert_eq!(result.get(name), expected);
        }
        prop_assert_eq!(&applied(&fields(&third), &[&change, &change]), &result);
    }

    /// Changes of different fields have the same result in either order.
    #[test]
    fn disjoint_changes_commute(start in state(), one in state(), other in state()) {
        let change = |target: &State, half: fn(&str) -> bool| {
            let mut after = start.clone();
            after.retain(|name, _| !half(name));
            after.extend(target.iter().filter(|(name, _)| half(name)).map(|(name, value)| (name.clone(), value.clone())));
            Change::between(&fields(&start), &after)
        };
        let (one, other) = (change(&one, |name| name < "e"), change(&other, |name| name >= "e"));
        prop_assert_eq!(applied(&fields(&start), &[&one, &other]), applied(&fields(&start), &[&other, &one]));
    }

    /// Random bytes are an error or a record, and a record is encoded to the same bytes.
    #[test]
    fn json_records_of_random_bytes_keep_their_bytes(record in vec(any::<u8>(), 0..64)) {
        if let Ok(fields) = Json.decode(Bytes::from(record.clone())) {
            prop_assert_eq!(Json.encode(&fields).unwrap(), record);
        }
    }

    /// The same for bytes that look like JSON, which the codec reads further.
    #[test]
    fn json_records_of_random_tokens_keep_their_bytes(record in "[{\\[\"a\\\\:,1eE.+\\-}\\] u0tn]{0,24}") {
        if let Ok(fields) = Json.decode(Bytes::from(record.clone())) {
            prop_assert_eq!(Json.encode(&fields).unwrap(), record);
        }
    }

    /// A record keeps its bytes, and if one field is set, every other field keeps its bytes.
    #[test]
    fn json_fields_keep_their_bytes(record in record(), value in json()) {
        let mut fields = Json.decode(Bytes::from(record.clone())).unwrap();
        prop_assert_eq!(Json.encode(&fields).unwrap(), record);
        fields.set("new", &value);
        let changed = Json.encode(&fields).unwrap();
        let again = Json.decode(changed.clone()).unwrap();
        prop_assert_eq!(again.get("new"), Some(value.as_str()));
        for field in fields.entries() {
            prop_assert_eq!(again.get(&field.name), fields.get(&field.name));
            if let Some(span) = &field.span {
                let bytes = &fields.source()[span.clone()];
                prop_assert!(changed.windows(bytes.len()).any(|window| window == bytes));
            }
        }
    }
}
