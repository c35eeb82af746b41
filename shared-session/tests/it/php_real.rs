//! The PHP codec and the real `php`: each reads what the other writes, and both make the same record of the same change.
//!
//! Each test runs one PHP process (`php_worker.php`), which replies to one line at a time.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use shared_session::codec::Fields;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::{Codec, CodecError};

const HANDLERS: [(Handler, &str); 2] = [(Handler::Php, "php"), (Handler::PhpSerialize, "php_serialize")];

/// A PHP process that runs commands.
struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start() -> RefCell<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/php_worker.php");
        let settings = [
            "serialize_precision=-1",
            "session.use_cookies=0",
            "session.cache_limiter=",
        ];
        let mut child = Command::new("php")
            .arg("-n")
            .args(settings.iter().flat_map(|setting| ["-d", setting]))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("php is missing: apt-get install php-cli php-redis");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        RefCell::new(Self { child, input, output })
    }

    /// Returns the record with which PHP replies, or `None` if it refuses the command.
    fn run(&mut self, command: &str, handler: &str, arguments: &[&[u8]]) -> Option<Bytes> {
        let mut line = format!("{command} {handler}");
        for argument in arguments {
            line.push(' ');
            argument.iter().for_each(|byte| write!(line, "{byte:02x}").unwrap());
        }
        writeln!(self.input, "{line}").unwrap();
        let mut reply = String::new();
        self.output.read_line(&mut reply).unwrap();
        if reply == "no\n" {
            return None;
        }
        let hex = reply.trim_end().strip_prefix("ok").expect("php replies").trim_start();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Some((0..hex.len()).step_by(2).map(byte).collect())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Checks a property with the same random cases every time.
fn check<S: Strategy>(cases: u32, strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(strategy, property).unwrap();
}

/// JSON text as `serde_json` writes it, with floats of any bits and names that look like integers.
fn json() -> impl Strategy<Value = String> {
    let float = any::<f64>().prop_filter("finite", |float| float.is_finite());
    let short = (-1_000_000_i64..1_000_000, -30_i32..30).prop_map(|(digits, power)| digits as f64 * 10_f64.powi(power));
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        prop_oneof![float, short].prop_map(|value| Value::from(value).to_string()),
        ".{0,12}".prop_map(|value| Value::from(value).to_string()),
    ];
    scalar.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|list| format!("[{}]", list.join(","))),
            btree_map(name(), inner, 0..6).prop_map(|members| object(members.iter())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let looks_like_a_number = prop_oneof!["-?[0-9]{1,3}", "-?922337203685477580[6-9]", "-?[0-9]{19,21}"];
    prop_oneof!["[a-z]{0,3}", ".{0,6}", looks_like_a_number].prop_filter("no tag", |name| !name.starts_with("$php"))
}

fn object<'a>(members: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let member = |(name, value): (&String, &String)| format!("{}:{value}", Value::from(name.as_str()));
    format!("{{{}}}", members.map(member).collect::<Vec<_>>().join(","))
}

/// Returns the value that is read back from PHP, for which an object with the members 0, 1, 2 … is a list.
fn as_read_back(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(as_read_back).collect(),
        Value::Object(members)
            if members
                .keys()
                .enumerate()
                .all(|(index, name)| *name == index.to_string()) =>
        {
            members.values().map(as_read_back).collect()
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), as_read_back(value));
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn json_is_written_as_php_writes_it() {
    let php = Worker::start();
    let sessions = btree_map(name(), json(), 0..5);
    for (handler, called) in HANDLERS {
        let codec = Php::new(handler);
        check(1500, &sessions, |session| {
            let mut fields = Fields::new();
            session.iter().for_each(|(name, value)| fields.set(name, value));
            let written = match codec.encode(&fields) {
                Err(CodecError::Unwritable { field, .. }) if handler == Handler::Php => {
                    let integer = field.parse::<i64>().is_ok_and(|number| number.to_string() == field);
                    prop_assert!(field.is_empty() || field.contains('|') || integer, "{field:?}");
                    return Ok(());
                }
                written => written.unwrap(),
            };
            let session_json = object(session.iter());
            let theirs = php.borrow_mut().run("json", called, &[session_json.as_bytes()]);
            // PHP writes an empty array for a session without fields, and we write an empty record
            let theirs = theirs.filter(|record| !(session.is_empty() && record == "a:0:{}"));
            prop_assert_eq!(&theirs.unwrap_or_default(), &written, "{}", session_json);
            let again = php.borrow_mut().run("code", called, &[&written]).unwrap();
            prop_assert!(again == written || written.is_empty());
            let read = codec.decode(written.clone()).unwrap();
            prop_assert_eq!(codec.encode(&read).unwrap(), written);
            for (name, value) in &session {
                let expected = as_read_back(&serde_json::from_str(value).unwrap());
                let value: Value = serde_json::from_str(read.get(name).unwrap()).unwrap();
                prop_assert_eq!(value, expected);
            }
            Ok(())
        });
    }
}

/// Floats of any magnitude; many of them lie exactly between two shortest decimals.
fn float() -> impl Strategy<Value = f64> {
    let of_any_bits = any::<f64>().prop_filter("finite", |float| float.is_finite());
    let fixed_point = (any::<i64>(), 0..40).prop_map(|(integer, bits)| (integer >> 10) as f64 / 2_f64.powi(bits));
    let integer = (any::<i64>(), 0..80).prop_map(|(integer, bits)| integer as f64 * 2_f64.powi(bits));
    let quarters = (1_i64 << 50..1_i64 << 53).prop_map(|quarters| quarters as f64 / 4.0);
    prop_oneof![of_any_bits, fixed_point, integer, quarters]
}

#[test]
fn floats_are_written_as_php_writes_them() {
    let php = Worker::start();
    let codec = Php::new(Handler::PhpSerialize);
    check(200, &vec(float(), 1000), |floats| {
        let list = Value::from(floats).to_string();
        let mut fields = Fields::new();
        fields.set("floats", &list);
        let ours = codec.encode(&fields).unwrap();
        let session = format!(r#"{{"floats":{list}}}"#);
        let theirs = php
            .borrow_mut()
            .run("json", "php_serialize", &[session.as_bytes()])
            .unwrap();
        prop_assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
        // passing the list through a `serde_json::Value` changes no digit
        let decoded = codec.decode(theirs).unwrap();
        let text = decoded.get("floats").unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(text).unwrap().to_string(), text);
        Ok(())
    });
}

/// Covers objects with private and protected properties, enums, references between fields and in arrays, references to
/// objects, objects that serialize themselves, dates, bytes and floats.
#[test]
fn changes_to_records_of_php_are_those_that_php_makes() {
    let php = Worker::start();
    let mut php = php.borrow_mut();
    let (mut edited, mut refused) = (0, 0);
    for (handler, called) in HANDLERS {
        let codec = Php::new(handler);
        for seed in 0..1500 {
            let record = php.run("make", called, &[seed.to_string().as_bytes()]).unwrap();
            let fields = codec.decode(record.clone()).unwrap();
            assert_eq!(codec.encode(&fields).unwrap(), record);
            for field in fields.entries() {
                let name = field.name.as_bytes();
                let mut fewer = fields.clone();
                fewer.remove(&field.name);
                match codec.encode(&fewer) {
                    Ok(ours) => {
                        edited += 1;
                        let theirs = php.run("unset", called, &[&record, name]).unwrap();
                        assert_eq!(php.run("code", called, &[&ours]).unwrap(), theirs, "{seed} {record:?}");
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(matches!(error, CodecError::Unwritable { .. }));
                        assert!(record.windows(2).any(|tag| matches!(tag, b"R:" | b"r:")), "{record:?}");
                    }
                }
                let mut changed = fields.clone();
                changed.set(&field.name, r#"{"new":[1,2.5,{"deep":null}]}"#);
                let Ok(ours) = codec.encode(&changed) else { continue };
                let theirs = php.run("unset", called, &[&record, name]).unwrap();
                assert_eq!(
                    php.run("unset", called, &[&ours, name]).unwrap(),
                    theirs,
                    "{seed} {record:?}"
                );
            }
            let mut more = fields.clone();
            more.set("_session", r#"{"created":1763830000}"#);
            let ours = codec.encode(&more).unwrap();
            assert_eq!(php.run("code", called, &[&ours]).unwrap(), ours, "{seed} {record:?}");
            assert_eq!(php.run("unset", called, &[&ours, b"_session"]).unwrap(), record);
            let mut back = codec.decode(ours).unwrap();
            back.remove("_session");
            assert_eq!(codec.encode(&back).unwrap(), record);
        }
    }
    assert!(edited > 5 * refused && refused > 100, "{edited} {refused}");
}

/// Damages records of PHP: removes, repeats and inserts pieces.
#[test]
fn damaged_records_are_refused_exactly_if_php_refuses_them() {
    let php = Worker::start();
    let pieces = prop_oneof![
        8 => any::<prop::sample::Index>().prop_map(|at| b"0123456789+-.eE:;{}\"|aOsSiIdbNRrF\\\0\xff"[at.index(35)..][..1].to_vec()),
        1 => Just(b"R:1;".to_vec()),
        1 => Just(b"i:0;".to_vec()),
        1 => Just(b"a:0:{}".to_vec()),
        1 => Just(b"O:8:\"stdClass\":0:{}".to_vec()),
        1 => Just(b"18446744073709551617".to_vec()),
    ];
    let mistakes = vec((any::<prop::sample::Index>(), 0..3_usize, pieces), 1..4);
    let records = (0..BASES.len(), mistakes);
    for (handler, called) in HANDLERS {
        let codec = Php::new(handler);
        check(20_000, &records, |(base, mistakes)| {
            let mut record = match handler {
                Handler::Php => BASES[base].0.to_vec(),
                Handler::PhpSerialize => BASES[base].1.to_vec(),
            };
            for (at, take, put) in mistakes {
                let at = at.index(record.len() + 1);
                let end = (at + take).min(record.len());
                record.splice(at..end, put);
            }
            let record = Bytes::from(record);
            let ours = codec.decode(record.clone());
            let theirs = php.borrow_mut().run("code", called, &[&record]);
            let repeated = matches!(&ours, Err(CodecError::Unreadable(reason)) if reason.contains("repeated key"));
            prop_assert_eq!(
                ours.is_ok(),
                theirs.is_some() && !repeated,
                "{:?} {:?}",
                record,
                ours.err()
            );
            if let Ok(fields) = &ours {
                prop_assert_eq!(&codec.encode(fields).unwrap(), &record);
            }
            Ok(())
        });
    }
}

/// The same sessions in the formats of both handlers.
const BASES: [(&[u8], &[u8]); 5] = [
    (
        b"a|i:-12;b|s:3:\"x\"y\";c|d:1.5E-7;d|N;e|b:1;",
        b"a:5:{s:1:\"a\";i:-12;s:1:\"b\";s:3:\"x\"y\";s:1:\"c\";d:1.5E-7;s:1:\"d\";N;s:1:\"e\";b:1;}",
    ),
    (
        b"a|a:3:{i:0;i:1;s:1:\"k\";S:2:\"\\61b\";i:-5;a:1:{i:0;d:.5;}}b|R:3;",
        b"a:2:{s:1:\"a\";a:3:{i:0;i:1;s:1:\"k\";S:2:\"\\61b\";i:-5;a:1:{i:0;d:.5;}}s:1:\"b\";R:4;}",
    ),
    (
        b"o|O:8:\"stdClass\":2:{s:1:\"p\";i:1;s:1:\"q\";r:1;}h|r:1;i|R:2;",
        b"a:3:{s:1:\"o\";O:8:\"stdClass\":2:{s:1:\"p\";i:1;s:1:\"q\";r:2;}s:1:\"h\";r:2;s:1:\"i\";R:3;}",
    ),
    (
        b"x|a:1:{i:0;R:1;}y|a:2:{i:0;O:8:\"stdClass\":0:{}i:1;r:3;}",
        b"a:2:{s:1:\"x\";a:1:{i:0;R:2;}s:1:\"y\";a:2:{i:0;O:8:\"stdClass\":0:{}i:1;r:4;}}",
    ),
    (b"a|i:1;a|i:2;|N;", b"a:3:{s:1:\"a\";i:1;s:1:\"a\";i:2;s:0:\"\";N;}"),
];
