//! The rules of the PHP codec, one test for each.

use bytes::Bytes;
use shared_session::codec::Fields;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::{Codec, CodecError};
use shared_session::internals::Change;

const PHP: Php = Php::new(Handler::Php);
const SERIALIZE: Php = Php::new(Handler::PhpSerialize);

fn decode(codec: Php, record: &[u8]) -> Result<Fields, CodecError> {
    codec.decode(Bytes::copy_from_slice(record))
}

/// Returns the JSON text of a value, as handlers read it.
fn read(value: &str) -> String {
    let fields = decode(PHP, format!("v|{value}").as_bytes()).unwrap();
    fields.get("v").unwrap().to_owned()
}

/// Returns the PHP text of a value that a handler sets, or the reason why it is refused.
fn written(json: &str) -> Result<String, String> {
    let mut fields = Fields::new();
    fields.set("v", json);
    match PHP.encode(&fields) {
        Ok(record) => {
            assert!(PHP.decode(record.clone()).is_ok(), "{record:?}");
            Ok(std::str::from_utf8(&record)
                .unwrap()
                .strip_prefix("v|")
                .unwrap()
                .to_owned())
        }
        Err(CodecError::Unwritable { field, reason }) => {
            assert_eq!(field, "v");
            Err(reason)
        }
        Err(other) => panic!("{other}"),
    }
}

/// Returns the record after a change.
fn changed(codec: Php, record: &str, change: impl Fn(&mut Fields)) -> Result<String, CodecError> {
    let mut fields = decode(codec, record.as_bytes()).unwrap();
    change(&mut fields);
    let record = codec.encode(&fields)?;
    Ok(String::from_utf8(record.to_vec()).unwrap())
}

#[test]
fn an_empty_record_is_an_empty_session() {
    for codec in [PHP, SERIALIZE] {
        let mut fields = decode(codec, b"").unwrap();
        assert!(fields.entries().is_empty());
        assert_eq!(codec.encode(&fields).unwrap(), "");
        assert_eq!(codec.encode(&Fields::new()).unwrap(), "");
        fields.set("a", "1");
        fields.remove("a");
        let empty = codec.encode(&fields).unwrap();
        assert!(codec.decode(empty).unwrap().entries().is_empty());
    }
}

#[test]
fn setting_a_repeated_field_leaves_one_field() {
    let set = |fields: &mut Fields| fields.set("a", "3");
    assert_eq!(changed(PHP, "a|i:1;b|N;a|i:2;", set).unwrap(), "b|N;a|i:3;");
    let twice = r#"a:3:{s:1:"a";i:1;s:1:"b";N;s:1:"a";i:2;}"#;
    assert_eq!(
        changed(SERIALIZE, twice, set).unwrap(),
        r#"a:2:{s:1:"b";N;s:1:"a";i:3;}"#
    );
    assert_eq!(decode(PHP, b"a|i:1;a|i:2;").unwrap().get("a"), Some("2"));
}

#[test]
fn values_are_read_as_json() {
    for (php, json) in [
        ("N;", "null"),
        ("b:1;", "true"),
        ("i:-0;", "0"),
        ("i:9223372036854775808;", "9223372036854775807"),
        ("d:10;", "10.0"),
        ("d:-0;", "-0.0"),
        ("d:1.0E+25;", &serde_json::to_string(&1e25).unwrap()),
        ("d:.5;", "0.5"),
        ("d:INF;", r#"{"$php":"float","value":"INF"}"#),
        ("d:-1e400;", r#"{"$php":"float","value":"-INF"}"#),
        ("d:NAN;", r#"{"$php":"float","value":"NAN"}"#),
        ("s:4:\"a\"/\n\";", r#""a\"/\n""#),
        (r#"S:3:"\61\5cb";"#, r#""a\\b""#),
        (r#"S:1:"\ff";"#, r#"{"$php":"bytes","hex":"ff"}"#),
        ("a:0:{}", "[]"),
        ("a:2:{i:0;N;i:1;N;}", "[null,null]"),
        ("a:2:{i:1;i:1;i:0;i:0;}", r#"{"1":1,"0":0}"#),
        (r#"a:1:{s:1:"0";i:7;}"#, "[7]"),
        (r#"a:2:{s:2:"00";N;s:0:"";N;}"#, r#"{"00":null,"":null}"#),
        (r#"a:3:{s:1:"a";i:1;s:1:"b";i:2;s:1:"a";i:3;}"#, r#"{"a":3,"b":2}"#),
        ("a:2:{i:0;i:1;i:0;i:2;}", "[2]"),
        (r#"a:1:{s:4:"$php";i:1;}"#, r#"{"$php":"array","entries":[["$php",1]]}"#),
        (
            r#"a:2:{i:5;N;S:1:"\ff";a:0:{}}"#,
            r#"{"$php":"array","entries":[[5,null],[{"$php":"bytes","hex":"ff"},[]]]}"#,
        ),
        (
            "O:3:\"A\\B\":3:{s:4:\"open\";i:1;s:9:\"\0*\0shared\";i:2;s:11:\"\0A\\B\0secret\";a:0:{}}",
            r#"{"$php":"object","class":"A\\B","properties":{"open":1,"shared":2,"secret":[]}}"#,
        ),
        (
            "O:1:\"B\":2:{s:4:\"\0B\0p\";i:1;s:4:\"\0A\0p\";i:2;}",
            r#"{"$php":"object","class":"B","properties":{"p":1,"A::p":2}}"#,
        ),
        (
            r#"E:15:"App\Suit:Hearts";"#,
            r#"{"$php":"enum","case":"Hearts","class":"App\\Suit"}"#,
        ),
        (r#"C:3:"Foo":2:{x}}"#, r#"{"$php":"custom","class":"Foo","hex":"787d"}"#),
    ] {
        assert_eq!(read(php), json, "{php}");
    }
}

#[test]
fn references_are_read_as_their_targets() {
    assert_eq!(read(r#"a:2:{i:0;a:1:{s:1:"k";i:1;}i:1;R:2;}"#), r#"[{"k":1},{"k":1}]"#);
    let object = r#"{"$php":"object","class":"A","properties":{}}"#;
    assert_eq!(
        read(r#"a:2:{i:0;O:1:"A":0:{}i:1;r:2;}"#),
        format!("[{object},{object}]")
    );
    // a reference to a value that contains it becomes a tag, and the references after it are still expanded
    let cycle = "a:4:{i:0;i:1;i:1;R:1;i:2;i:7;i:3;R:3;}";
    assert_eq!(read(cycle), r#"[1,{"$php":"reference"},7,7]"#);
    let fields = decode(SERIALIZE, br#"a:2:{s:1:"a";i:1;s:1:"b";R:2;}"#).unwrap();
    assert_eq!(fields.get("b"), Some("1"));
    let fields = decode(PHP, br#"a|C:3:"Foo":8:{a:0:{}..}b|R:1;c|R:2;"#).unwrap();
    assert_eq!(
        fields.get("b"),
        Some(r#"{"$php":"custom","class":"Foo","hex":"613a303a7b7d2e2e"}"#)
    );
    assert_eq!(fields.get("c"), Some(r#"{"$php":"reference"}"#));
}

#[test]
fn references_to_references_cannot_exhaust_memory() {
    let mut record = "a|a:10:{".to_owned();
    (0..10).for_each(|index| record += &format!("i:{index};s:9:\"a billion\";"));
    record += "}";
    for level in 1..9 {
        record += &format!("f{level}|a:10:{{");
        let below = if level == 1 { 1 } else { 10 + level };
        (0..10).for_each(|index| record += &format!("i:{index};R:{below};"));
        record += "}";
    }
    let fields = decode(PHP, record.as_bytes()).unwrap();
    let shown: usize = fields.entries().iter().map(|field| field.value.len()).sum();
    assert!(shown < 4 * record.len() + 128 * 1024, "{shown}");
    assert_eq!(PHP.encode(&fields).unwrap(), record);
}

#[test]
fn no_reference_is_expanded_after_one_that_is_too_deep() {
    let deep = format!("{}N;{}", "a:1:{i:0;".repeat(126), "}".repeat(126));
    let fields = decode(
        PHP,
        format!("a|{deep}b|i:1;c|a:2:{{i:0;a:1:{{i:0;R:1;}}i:1;R:128;}}d|R:128;").as_bytes(),
    )
    .unwrap();
    assert_eq!(
        fields.get("c"),
        Some(r#"[[{"$php":"reference"}],{"$php":"reference"}]"#)
    );
    assert_eq!(fields.get("d"), Some(r#"{"$php":"reference"}"#));
    // with one level less, all of them are expanded
    let fields = decode(
        PHP,
        format!("a|{deep}b|i:1;c|a:2:{{i:0;R:1;i:1;R:128;}}d|R:128;").as_bytes(),
    )
    .unwrap();
    assert!(fields.get("c").is_some_and(|shown| shown.ends_with(",1]")));
    assert_eq!(fields.get("d"), Some("1"));
}

#[test]
fn php_limits_the_nesting_of_records_and_serde_json_that_of_values() {
    let nested = |depth: usize, inner: &str| format!("{}{inner}{}", "a:1:{i:0;".repeat(depth), "}".repeat(depth));
    let takes = |value: &str| decode(PHP, format!("v|{value}").as_bytes()).is_ok();
    assert!(takes(&nested(4096, "a:0:{}")));
    assert!(takes(&nested(4095, r#"O:8:"stdClass":0:{}"#)));
    assert!(!takes(&nested(4096, r#"O:8:"stdClass":0:{}"#)));
    assert!(!takes(&nested(4097, "N;")));
    assert!(!takes(&nested(1_000_000, "N;")));
    assert!(decode(SERIALIZE, nested(4096, "N;").as_bytes()).is_ok());
    assert!(decode(SERIALIZE, nested(4097, "N;").as_bytes()).is_err());

    let json = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&nested(126, "a:0:{}")), json(127));
    assert_eq!(read(&nested(127, "a:0:{}")), r#"{"$php":"deep"}"#);
    assert_eq!(read(&nested(127, "d:INF;")), r#"{"$php":"deep"}"#);
    assert_eq!(read(&nested(4096, "N;")), r#"{"$php":"deep"}"#);
    assert_eq!(written(&json(127)).unwrap(), nested(126, "a:0:{}"));
    assert!(written(&json(128)).is_err());
    assert!(written(&json(1_000_000)).is_err());
}

#[test]
fn values_are_written_as_php_serializes_them() {
    for (json, php) in [
        ("null", "N;"),
        (" [ true , false ] ", "a:2:{i:0;b:1;i:1;b:0;}"),
        ("-9223372036854775808", "i:-9223372036854775808;"),
        ("-0", "d:-0;"),
        ("10.0", "d:10;"),
        ("1e25", "d:1.0E+25;"),
        ("1E-7", "d:1.0E-7;"),
        ("9007199254740993.0", "d:9007199254740992;"),
        ("1e-400", "d:0;"),
        (r#""\ud64d\uae38""#, "s:6:\"홍길\";"),
        (r#""\u0000\"""#, "s:2:\"\0\"\";"),
        ("{}", "a:0:{}"),
        (
            r#"{"8":1,"-5":2,"08":3,"-0":4,"":5,"9223372036854775807":6,"9223372036854775808":7,"-9223372036854775808":8}"#,
            concat!(
                r#"a:8:{i:8;i:1;i:-5;i:2;s:2:"08";i:3;s:2:"-0";i:4;s:0:"";i:5;i:9223372036854775807;i:6;"#,
                r#"s:19:"9223372036854775808";i:7;i:-9223372036854775808;i:8;}"#
            ),
        ),
        (
            r#"{"a":{"b":[[],"}"]}}"#,
            r#"a:1:{s:1:"a";a:1:{s:1:"b";a:2:{i:0;a:0:{}i:1;s:1:"}";}}}"#,
        ),
        (r#"[{"$php":"float","value":"-INF"}]"#, "a:1:{i:0;d:-INF;}"),
        (r#"{"hex":"6162","$php":"bytes"}"#, r#"s:2:"ab";"#),
    ] {
        assert_eq!(written(json).as_deref(), Ok(php), "{json}");
    }
}

#[test]
fn values_that_php_cannot_represent_are_refused() {
    for json in [
        "",
        "nonsense",
        "[1",
        "1 2",
        "01",
        "9223372036854775808",
        "-9223372036854775809",
        "1e400",
        r#""\ud800""#,
        r#"{"a":1,"a":2}"#,
        r#"{"$php":"object","class":"Foo","properties":{}}"#,
        r#"[[{"$php":"enum","case":"Hearts","class":"Suit"}]]"#,
        r#"{"$php":"reference"}"#,
        r#"{"$php":"array","entries":[]}"#,
        r#"{"$php":"bytes","hex":"f"}"#,
        r#"{"$php":"bytes","hex":"zz"}"#,
        r#"{"$php":"bytes","hex":"ff","more":1}"#,
        r#"{"$php":"float","value":"1.5"}"#,
        r#"{"$php":["bytes"],"hex":"ff"}"#,
        r#"{"a":1,"$php":null}"#,
    ] {
        assert!(written(json).is_err(), "{json}");
    }
}

/// Returns whether a handler changes the record by passing every value through a `serde_json::Value`.
fn changes_through_value(record: &str) -> bool {
    let before = decode(PHP, record.as_bytes()).unwrap();
    let through = |value: &str| serde_json::from_str::<serde_json::Value>(value).unwrap().to_string();
    let visible = before.visible().into_iter();
    let after = visible.map(|(name, value)| (name.to_owned(), through(value))).collect();
    !Change::between(&before, &after).is_empty()
}

#[test]
fn setting_a_value_to_itself_is_no_change_unless_its_members_are_unsorted() {
    let tags = "o|O:1:\"A\":1:{s:4:\"\0A\0p\";i:1;}e|E:3:\"S:H\";b|s:1:\"\u{1}\";c|d:0.10;";
    assert!(!changes_through_value(tags));
    assert!(!changes_through_value(
        "f|d:0.30000000000000004;g|d:846913708180930.2;h|d:1.0E+25;"
    ));
    assert!(!changes_through_value(r#"sorted|a:2:{s:1:"a";i:1;s:1:"b";i:2;}"#));
    assert!(changes_through_value(r#"unsorted|a:2:{s:1:"b";i:1;s:1:"a";i:2;}"#));
}

#[test]
fn names_that_php_does_not_allow_are_refused() {
    let names = |codec: Php, name: &str| changed(codec, "", |fields| fields.set(name, "1"));
    for name in ["", "|", "a|b", "1", "-5", "0", "9223372036854775807"] {
        assert!(names(PHP, name).is_err(), "{name}");
        assert!(names(SERIALIZE, name).is_ok(), "{name}");
    }
    for name in ["!a", "08", "-0", "1a", " 1", "9223372036854775808", "홍", "\n", "\0"] {
        assert_eq!(names(PHP, name).unwrap(), format!("{name}|i:1;"));
    }
    assert_eq!(names(SERIALIZE, "5").unwrap(), "a:1:{i:5;i:1;}");
    assert_eq!(names(SERIALIZE, "05").unwrap(), r#"a:1:{s:2:"05";i:1;}"#);
    let odd = decode(PHP, b"|i:1;5|i:2;!|i:3;").unwrap();
    assert_eq!(
        (odd.get(""), odd.get("5"), odd.get("!")),
        (Some("1"), Some("2"), Some("3"))
    );
    assert_eq!(
        changed(PHP, "|i:1;5|i:2;a|N;", |fields| fields.remove("a")).unwrap(),
        "|i:1;5|i:2;"
    );
}

#[test]
fn names_that_are_not_utf8_are_hexadecimal() {
    let mut fields = decode(PHP, b"\xff|i:1;$php:x|i:2;").unwrap();
    assert_eq!(fields.get("$php:bytes:ff"), Some("1"));
    assert_eq!(fields.get("$php:bytes:247068703a78"), Some("2"));
    fields.set("$php:bytes:ff", "3");
    assert_eq!(PHP.encode(&fields).unwrap(), &b"\xff|i:3;$php:x|i:2;"[..]);
    for name in ["$php:", "$php:x", "$php:bytes:61", "$php:bytes:f", "$php:bytes:FF"] {
        assert!(changed(PHP, "", |fields| fields.set(name, "1")).is_err(), "{name}");
    }
}

#[test]
fn references_keep_their_targets() {
    let record = r#"a|a:1:{i:0;N;}b|O:1:"A":1:{s:1:"p";i:5;}c|R:4;d|r:3;e|R:0003;"#;
    let set = |name: &'static str, value: &'static str| changed(PHP, record, move |fields| fields.set(name, value));
    let remove = |name: &'static str| changed(PHP, record, move |fields| fields.remove(name));
    assert_eq!(remove("a").unwrap(), r#"b|O:1:"A":1:{s:1:"p";i:5;}c|R:2;d|r:1;e|R:1;"#);
    assert_eq!(
        set("a", "[]").unwrap(),
        r#"a|a:0:{}b|O:1:"A":1:{s:1:"p";i:5;}c|R:3;d|r:2;e|R:2;"#
    );
    assert_eq!(
        set("a", r#"[{"x":1},2]"#).unwrap(),
        r#"a|a:2:{i:0;a:1:{s:1:"x";i:1;}i:1;i:2;}b|O:1:"A":1:{s:1:"p";i:5;}c|R:6;d|r:5;e|R:5;"#
    );
    assert_eq!(
        remove("c").unwrap(),
        r#"a|a:1:{i:0;N;}b|O:1:"A":1:{s:1:"p";i:5;}d|r:3;e|R:0003;"#
    );
    // an r: takes a slot, an R: does not
    let last = r#"a|O:1:"A":0:{}b|r:1;c|i:1;d|R:3;e|R:3;"#;
    assert_eq!(
        changed(PHP, last, |fields| fields.remove("b")).unwrap(),
        r#"a|O:1:"A":0:{}c|i:1;d|R:2;e|R:2;"#
    );
    assert_eq!(
        changed(PHP, last, |fields| fields.remove("d")).unwrap(),
        r#"a|O:1:"A":0:{}b|r:1;c|i:1;e|R:3;"#
    );
    for refused in [remove("b"), set("b", "1")] {
        let Err(CodecError::Unwritable { field, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(field, "c");
    }
    let both = changed(PHP, "a|i:1;b|R:1;c|i:2;", |fields| {
        fields.remove("a");
        fields.set("b", "3");
    });
    assert_eq!(both.unwrap(), "b|i:3;c|i:2;");
}

#[test]
fn the_array_of_fields_takes_the_first_slot_in_php_serialize() {
    let record = r#"a:4:{s:1:"x";i:0;s:1:"a";i:5;s:1:"b";R:3;s:1:"s";R:1;}"#;
    let without = changed(SERIALIZE, record, |fields| fields.remove("x")).unwrap();
    assert_eq!(without, r#"a:3:{s:1:"a";i:5;s:1:"b";R:2;s:1:"s";R:1;}"#);
    assert!(changed(SERIALIZE, record, |fields| fields.remove("a")).is_err());
}

#[test]
fn fields_before_a_custom_object_are_fixed_if_there_are_references() {
    for record in [
        r#"a|i:1;c|C:3:"Foo":4:{i:5;}b|R:1;z|i:2;"#,
        r#"a|i:1;b|R:1;c|C:3:"Foo":4:{i:5;}z|i:2;"#,
        r#"a|i:1;c|C:3:"Foo":8:{x:r:1;;;}z|i:2;"#,
    ] {
        for name in ["a", "c"] {
            assert!(changed(PHP, record, |fields| fields.remove(name)).is_err(), "{record}");
            assert!(
                changed(PHP, record, |fields| fields.set(name, "7")).is_err(),
                "{record}"
            );
        }
        let behind = changed(PHP, record, |fields| {
            fields.set("z", "[3]");
            fields.set("new", "4");
        });
        assert_eq!(behind.unwrap(), record.replace("i:2;", "a:1:{i:0;i:3;}new|i:4;"));
    }
    let alone = r#"a|i:1;c|C:3:"Foo":4:{i:5;}z|i:2;"#;
    assert_eq!(
        changed(PHP, alone, |fields| fields.remove("a")).unwrap(),
        r#"c|C:3:"Foo":4:{i:5;}z|i:2;"#
    );
    // a reference may point into the payload, which only the class can tell
    assert!(decode(PHP, br#"c|C:3:"Foo":4:{i:5;}b|R:2;"#).is_ok());
    assert!(decode(PHP, br#"c|C:3:"Foo":4:{i:5;}b|R:99;"#).is_err());
}

#[test]
fn php_serialize_keeps_the_bytes_around_the_fields() {
    let set = |fields: &mut Fields| fields.set("a", "1");
    assert_eq!(
        changed(SERIALIZE, "a:0:{}rest", set).unwrap(),
        r#"a:1:{s:1:"a";i:1;}rest"#
    );
    assert_eq!(changed(SERIALIZE, "N;", set).unwrap(), r#"a:1:{s:1:"a";i:1;}"#);
    for record in ["b:0;", "i:5;", r#"O:8:"stdClass":1:{s:1:"a";i:1;}"#] {
        let fields = decode(SERIALIZE, record.as_bytes()).unwrap();
        assert!(fields.entries().is_empty());
        assert_eq!(SERIALIZE.encode(&fields).unwrap(), record);
        assert!(changed(SERIALIZE, record, set).is_err(), "{record}");
    }
}

#[test]
fn invalid_lengths_and_names_are_errors() {
    for value in [
        r#"s:2:"a";"#,
        r#"s:18446744073709551615:"a";"#,
        "a:2:{i:0;N;}",
        "a:4294967296:{}",
        "a:18446744073709551617:{i:0;N;}",
        "a:1000000000:{i:0;N;}",
        r#"O:8:"stdClass":1000000000:{}"#,
        r#"O:8:"stdClass":-1:{}"#,
        r#"C:3:"Foo":1000000000:{}"#,
        r#"C:3:"Foo":-1:{}"#,
        r#"S:3:"\61";"#,
        r#"S:1:"\6"#,
        r#"E:99:"A:B";"#,
        r#"E:3:"A::";"#,
        r#"O:2:"\A":0:{}"#,
        "O:2:\"A\x7f\":0:{}",
        "d:nan;",
        "d:inf;",
        "d:infinity;",
        "d:-NAN;",
    ] {
        assert!(decode(PHP, format!("v|{value}").as_bytes()).is_err(), "{value}");
    }
}

#[test]
fn an_error_does_not_quote_the_record() {
    let error = decode(PHP, b"password|s:6:\"secret\"").unwrap_err().to_string();
    assert!(!error.contains("secret") && !error.contains("password"), "{error}");
}
