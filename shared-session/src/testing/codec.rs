//! What a codec must hold by itself.

use bytes::Bytes;

use super::TestBed;
use crate::codec::CodecError;
use crate::session::fields::Fields;

const VALUES: [(&str, &str); 7] = [
    ("text", r#""홍길동 \"x\" \\ \n""#),
    ("number", "-42"),
    ("float", "1.5"),
    ("nothing", "null"),
    ("truth", "true"),
    ("list", r#"[1,"two",[3.25,{}]]"#),
    ("object", r#"{"a":{"b":[]}}"#),
];

/// What was encoded is decoded again, and a record to which nothing was done is encoded to its very bytes.
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
        "a value does not survive being read and written"
    );
    decoded.set("more", "1");
    decoded.remove("text");
    let changed = codec.decode(codec.encode(&decoded).unwrap()).unwrap();
    assert_eq!(changed.get("more"), Some("1"));
    assert_eq!(changed.get("text"), None);
    assert_eq!(changed.get("object"), decoded.get("object"));
}

/// Bytes that are no record are an error, and none of them panics.
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
        let foreign = codec.decode(Bytes::from_static(garbage));
        assert!(
            matches!(foreign, Err(CodecError::Unreadable(_))),
            "{garbage:?} was read as a record"
        );
    }
}
