//! The checks of a codec.

use std::collections::BTreeSet;

use bytes::Bytes;
use shared_session::codec::{Codec, CodecError, Fields};

use crate::TestBed;

const VALUES: [(&str, &str); 7] = [
    ("text", r#""홍길동 \"x\" \\ \n""#),
    ("number", "-42"),
    ("float", "1.5"),
    ("nothing", "null"),
    ("truth", "true"),
    ("list", r#"[1,"two",[3.25,{}]]"#),
    ("object", r#"{"a":{"b":[]}}"#),
];

/// A record that another program wrote differently from how the codec would.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The record.
    pub record: &'a [u8],
    /// The fields in the record's order: the name that handlers see, and the bytes of the field.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// The names of the fields that the codec must refuse to replace, because other fields depend on them.
    pub fixed: &'a [&'a str],
}

/// Samples for the format `json`: spaces, escapes, spellings of numbers, repeated names.
pub const JSON: &[Sample<'static>] = &[
    Sample {
        record: br#"{"b":1,"a":"x","c":[2]}"#,
        fields: &[("b", br#""b":1"#), ("a", br#""a":"x""#), ("c", br#""c":[2]"#)],
        fixed: &[],
    },
    Sample {
        record: b"\n{ \"z\" : 1.0 ,\t\"y\":1e400,\"x\\/\\u0061\" :\r\n\"\\u00e9\\ud83d\\ude00\\/\",\"w\":-0.0E-0,\"\":12345678901234567890123,\
            \"o\":{ \"b\":1.50 , \"a\":[ ] ,\"b\":0 } , \"z\":[1E+2] ,\"\xed\x95\x9c\":\"\xea\xb8\x80\"} ",
        fields: &[
            ("z", b"\"z\" : 1.0"),
            ("y", b"\"y\":1e400"),
            ("x/a", b"\"x\\/\\u0061\" :\r\n\"\\u00e9\\ud83d\\ude00\\/\""),
            ("w", b"\"w\":-0.0E-0"),
            ("", b"\"\":12345678901234567890123"),
            ("o", b"\"o\":{ \"b\":1.50 , \"a\":[ ] ,\"b\":0 }"),
            ("z", b"\"z\":[1E+2]"),
            ("한", "\"한\":\"글\"".as_bytes()),
        ],
        fixed: &[],
    },
];

/// Samples for the format `php`: references, objects, floats, escapes, repeated names.
pub const PHP: &[Sample<'static>] = &[
    Sample {
        record: b"list|a:2:{i:0;i:5;i:1;R:2;}user|O:8:\"App\\User\":2:{s:4:\"name\";s:3:\"kky\";s:8:\"\0*\0roles\";a:0:{}}\
            same|r:3;ref|R:2;float|d:0.10;suit|E:11:\"Suit:Hearts\";keys|a:2:{s:2:\"08\";N;S:2:\"\\61b\";b:1;}",
        fields: &[
            ("list", b"list|a:2:{i:0;i:5;i:1;R:2;}"),
            (
                "user",
                b"user|O:8:\"App\\User\":2:{s:4:\"name\";s:3:\"kky\";s:8:\"\0*\0roles\";a:0:{}}",
            ),
            ("same", b"same|r:3;"),
            ("ref", b"ref|R:2;"),
            ("float", b"float|d:0.10;"),
            ("suit", b"suit|E:11:\"Suit:Hearts\";"),
            ("keys", b"keys|a:2:{s:2:\"08\";N;S:2:\"\\61b\";b:1;}"),
        ],
        fixed: &["list", "user"],
    },
    Sample {
        record: b"z|i:+007;twice|d:1E2;y|d:-.5;own|C:3:\"Own\":2:{x}}binary|s:2:\"\xff\0\";twice|d:1.0e-7;a b|a:1:{i:0;d:INF;}",
        fields: &[
            ("z", b"z|i:+007;"),
            ("twice", b"twice|d:1E2;"),
            ("y", b"y|d:-.5;"),
            ("own", b"own|C:3:\"Own\":2:{x}}"),
            ("binary", b"binary|s:2:\"\xff\0\";"),
            ("twice", b"twice|d:1.0e-7;"),
            ("a b", b"a b|a:1:{i:0;d:INF;}"),
        ],
        fixed: &[],
    },
];

/// Samples for the format `php_serialize`: the same as [`PHP`], integer names, bytes after the record.
pub const PHP_SERIALIZE: &[Sample<'static>] = &[
    Sample {
        record: b"a:6:{s:4:\"list\";a:2:{i:0;i:5;i:1;R:3;}\
            s:4:\"user\";O:8:\"App\\User\":2:{s:4:\"name\";s:3:\"kky\";s:8:\"\0*\0roles\";a:0:{}}s:4:\"same\";r:4;\
            S:3:\"\\72ef\";R:3;s:5:\"float\";d:0.10;i:7;E:11:\"Suit:Hearts\";}ignored",
        fields: &[
            ("list", b"s:4:\"list\";a:2:{i:0;i:5;i:1;R:3;}"),
            (
                "user",
                b"s:4:\"user\";O:8:\"App\\User\":2:{s:4:\"name\";s:3:\"kky\";s:8:\"\0*\0roles\";a:0:{}}",
            ),
            ("same", b"s:4:\"same\";r:4;"),
            ("ref", b"S:3:\"\\72ef\";R:3;"),
            ("float", b"s:5:\"float\";d:0.10;"),
            ("7", b"i:7;E:11:\"Suit:Hearts\";"),
        ],
        fixed: &["list", "user"],
    },
    Sample {
        record:
            b"a:5:{s:1:\"z\";i:+007;i:-5;d:1E2;s:6:\"binary\";s:2:\"\xff\0\";i:-05;d:-.5;s:1:\"a\";C:3:\"Own\":2:{x}}}",
        fields: &[
            ("z", b"s:1:\"z\";i:+007;"),
            ("-5", b"i:-5;d:1E2;"),
            ("binary", b"s:6:\"binary\";s:2:\"\xff\0\";"),
            ("-5", b"i:-05;d:-.5;"),
            ("a", b"s:1:\"a\";C:3:\"Own\":2:{x}}"),
        ],
        fixed: &[],
    },
];

/// A record that was decoded is encoded to the same bytes, and so is one whose fields were set to the values that they
/// have.
pub fn untouched_records_keep_their_bytes(bed: &dyn TestBed) {
    let codec = bed.codec();
    let mut fields = Fields::new();
    for (name, value) in VALUES {
        fields.set(name, value);
    }
    let record = codec.encode(&fields).unwrap();
    let mut decoded = codec.decode(record.clone()).unwrap();
    let again = codec.encode(&decoded).unwrap();
    assert_eq!(again, record);
    for (name, _) in VALUES {
        let before = decoded.get(name).unwrap().to_owned();
        decoded.set(name, "0");
        decoded.set(name, &before);
    }
    assert_eq!(
        codec.encode(&decoded).unwrap(),
        record,
        "a value changes when it is read and set again"
    );
    decoded.set("more", "1");
    decoded.remove("text");
    let changed = codec.decode(codec.encode(&decoded).unwrap()).unwrap();
    assert_eq!(changed.get("more"), Some("1"));
    assert_eq!(changed.get("text"), None);
    assert_eq!(changed.get("object"), decoded.get("object"));
}

/// A change to one field leaves the bytes and the order of all other fields, also in a record that another program wrote.
pub fn untouched_fields_keep_their_bytes(codec: &dyn Codec, samples: &[Sample<'_>]) {
    for sample in samples {
        let record = Bytes::copy_from_slice(sample.record);
        let before = codec.decode(record.clone()).unwrap();
        let names: Vec<&str> = before.entries().iter().map(|field| &*field.name).collect();
        let expected: Vec<&str> = sample.fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "the codec reads other names");
        assert_eq!(codec.encode(&before).unwrap(), record, "an untouched record changes");

        check_change(codec, sample, &before, "a new field", Some("[1]"));
        for name in BTreeSet::from_iter(names) {
            if sample.fixed.contains(&name) {
                let mut fields = before.clone();
                fields.remove(name);
                let refused = codec.encode(&fields);
                assert!(
                    matches!(refused, Err(CodecError::Unwritable { .. })),
                    "the codec removes {name:?}, on which other fields depend"
                );
            } else {
                check_change(codec, sample, &before, name, Some(r#"{"changed":true}"#));
                check_change(codec, sample, &before, name, None);
            }
        }
    }
}

/// Sets or removes one field, and checks the others in the record that the codec makes of it.
fn check_change(codec: &dyn Codec, sample: &Sample<'_>, before: &Fields, name: &str, value: Option<&str>) {
    let mut fields = before.clone();
    match value {
        Some(value) => fields.set(name, value),
        None => fields.remove(name),
    }
    let record = codec.encode(&fields).unwrap();
    let mut rest = &record[..];
    for (other, bytes) in sample.fields.iter().filter(|(other, _)| *other != name) {
        let position = rest.windows(bytes.len()).position(|window| window == *bytes);
        let position = position.unwrap_or_else(|| panic!("{other:?} changes or moves when {name:?} becomes {value:?}"));
        rest = &rest[position + bytes.len()..];
    }
    let after = codec.decode(record).unwrap();
    let values = |fields: &Fields| -> Vec<(String, String)> {
        let entries = fields.entries().iter();
        entries
            .map(|entry| (entry.name.to_string(), entry.value.to_string()))
            .collect()
    };
    assert_eq!(
        values(&after),
        values(&fields),
        "the codec reads other values after {name:?} became {value:?}"
    );
}

/// Bytes that are not a record are an error, and do not cause a panic.
pub fn invalid_records_are_errors(bed: &dyn TestBed) {
    let codec = bed.codec();
    let mut fields = Fields::new();
    fields.set("text", "\"value\"");
    let record = codec.encode(&fields).unwrap();
    for end in 1..record.len() {
        let truncated = codec.decode(record.slice(..end));
        assert!(
            matches!(truncated, Err(CodecError::Unreadable(_))),
            "a truncated record was read"
        );
    }
    for garbage in [&b"\x80\x04\x95pickle"[..], b"\xff\xff\xff\xff", b"<session/>", b"\0"] {
        let decoded = codec.decode(Bytes::from_static(garbage));
        assert!(
            matches!(decoded, Err(CodecError::Unreadable(_))),
            "{garbage:?} was read as a record"
        );
    }
}
