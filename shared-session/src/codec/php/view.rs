//! What handlers see: a record's values as JSON text. [`super`] says which tags stand for what JSON cannot express.
//!
//! The text is spelled as `serde_json` spells it, and of a tag's members in the order of their names, so that a value
//! which a handler passes through a `serde_json::Value` compares equal to what is there.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::scan::{Kind, Record};
use super::text::{Key, Text, hex, quoted};
use super::{MAX_JSON_DEPTH, TAG};

const REFERENCE: &str = r#"{"$php":"reference"}"#;
const DEEP: &str = r#"{"$php":"deep"}"#;

/// Writes the values of one record.
pub(super) struct View<'a> {
    record: &'a Record,
    source: &'a [u8],
    /// How much text references may still add by being spelled out. References to references could otherwise grow a
    /// small record beyond any memory.
    spare: usize,
}

impl<'a> View<'a> {
    pub fn new(record: &'a Record, source: &'a [u8]) -> Self {
        Self {
            record,
            source,
            spare: 2 * source.len() + 64 * 1024,
        }
    }

    /// A value as JSON text.
    pub fn json(&mut self, node: usize) -> String {
        let mut text = Writing::default();
        self.put(node, &mut text);
        self.settle(&mut text);
        while let Some(top) = text.open.last_mut() {
            if let Some((prefix, child)) = top.children.next() {
                let between = if top.begun { top.between } else { "" };
                top.begun = true;
                text.out.push_str(between);
                text.out.push_str(&prefix);
                self.put(child, &mut text);
            } else if let Some(top) = text.open.pop() {
                text.depth -= top.depth;
                text.out.push_str(top.close);
            }
            self.settle(&mut text);
        }
        text.out
    }

    fn put(&mut self, node: usize, text: &mut Writing) {
        let node = match self.record.nodes[node].kind {
            Kind::Reference { to: Some(to), .. } if self.spare > 0 && !text.is_in(to) => {
                text.borrow();
                to
            }
            Kind::Reference { .. } => return text.tag(REFERENCE),
            _ => node,
        };
        match &self.record.nodes[node].kind {
            Kind::Null => text.out.push_str("null"),
            Kind::Bool(value) => text.out.push_str(if *value { "true" } else { "false" }),
            Kind::Int(value) => text.out.push_str(&value.to_string()),
            Kind::Float(value) => float(*value, text),
            Kind::Text(value) => self.string(value, text),
            Kind::Array => self.array(node, text),
            Kind::Object { class } => {
                let open = format!(
                    r#"{{"$php":"object","class":{},"properties":{{"#,
                    self.class(class.clone())
                );
                text.open(node, 2, &open, self.properties(node), [",", "}}"]);
            }
            Kind::Custom { class, payload } => text.tag(&format!(
                r#"{{"$php":"custom","class":{},"hex":"{}"}}"#,
                self.class(class.clone()),
                hex(&self.source[payload.clone()])
            )),
            Kind::Case { class, name } => text.tag(&format!(
                r#"{{"$php":"enum","case":{},"class":{}}}"#,
                self.class(name.clone()),
                self.class(class.clone())
            )),
            Kind::Reference { .. } => text.tag(REFERENCE),
        }
    }

    /// Takes a reference back that grew too large or too deep, and then spells out no more of them.
    fn settle(&mut self, text: &mut Writing) {
        while text.loan.is_some() || text.too_deep {
            let Some(loan) = text.loan.take() else {
                *text = Writing::default();
                return text.out.push_str(DEEP);
            };
            let used = text.out.len() - loan.length;
            if used <= self.spare && !text.too_deep {
                if text.open.len() > loan.open {
                    text.loan = Some(loan);
                } else {
                    self.spare -= used;
                }
                return;
            }
            self.spare = 0;
            text.out.truncate(loan.length);
            text.open.truncate(loan.open);
            text.depth = loan.depth;
            text.too_deep = false;
            text.tag(REFERENCE);
        }
    }

    fn string(&self, value: &Text, text: &mut Writing) {
        let bytes = value.bytes(self.source);
        match std::str::from_utf8(&bytes) {
            Ok(value) => text.out.push_str(&quoted(value)),
            Err(_) => text.tag(&bytes_tag(&bytes)),
        }
    }

    fn array(&self, node: usize, text: &mut Writing) {
        let elements = self.elements(node);
        let key = |child: usize| self.record.nodes[child].key.as_ref();
        let mut indices = (0..).zip(&elements);
        if indices.all(|(index, child)| matches!(key(*child), Some(Key::Int(key)) if *key == index)) {
            let children = elements.into_iter().map(|child| (String::new(), child)).collect();
            return text.open(node, 1, "[", children, [",", "]"]);
        }
        if let Some(members) = elements
            .iter()
            .map(|child| Some((self.member(*child)?, *child)))
            .collect()
        {
            return text.open(node, 1, "{", members, [",", "}"]);
        }
        let entries = elements.into_iter().map(|child| (self.entry(child), child)).collect();
        text.too_deep |= text.depth + 4 > MAX_JSON_DEPTH;
        text.open(node, 3, r#"{"$php":"array","entries":["#, entries, ["],", "]]}"]);
    }

    /// An array's elements as PHP keeps them: of a key that stands there twice, the last value in the first one's place.
    fn elements(&self, node: usize) -> Vec<usize> {
        let children: Vec<usize> = self.record.children(node).collect();
        if !self.record.repeated {
            return children;
        }
        let mut places = HashMap::new();
        let mut elements: Vec<usize> = Vec::with_capacity(children.len());
        for child in children {
            let place = *places.entry(self.name(child)).or_insert(elements.len());
            match elements.get_mut(place) {
                Some(element) => *element = child,
                None => elements.push(child),
            }
        }
        elements
    }

    /// The bytes that a value stands under.
    fn name(&self, node: usize) -> Vec<u8> {
        match &self.record.nodes[node].key {
            Some(Key::Int(key)) => key.to_string().into_bytes(),
            Some(Key::Text(key)) => key.bytes(self.source).into_owned(),
            None => Vec::new(),
        }
    }

    /// The element's key as a member's name, unless JSON has none for it or it would look like a tag.
    fn member(&self, node: usize) -> Option<String> {
        let name = String::from_utf8(self.name(node)).ok()?;
        (name != TAG).then(|| quoted(&name) + ":")
    }

    /// The element's key as the first of a pair.
    fn entry(&self, node: usize) -> String {
        if let Some(Key::Int(key)) = self.record.nodes[node].key {
            return format!("[{key},");
        }
        match String::from_utf8(self.name(node)) {
            Ok(name) => format!("[{},", quoted(&name)),
            Err(error) => format!("[{},", bytes_tag(error.as_bytes())),
        }
    }

    /// An object's properties under their bare names. Where a class and its parent both have a private one of the same
    /// name, the second is `Class::name`.
    fn properties(&self, node: usize) -> Vec<(String, usize)> {
        let mut taken = HashSet::new();
        let mut properties = Vec::new();
        for child in self.elements(node) {
            let name = self.name(child);
            let mut parts = name
                .strip_prefix(b"\0")
                .unwrap_or_default()
                .splitn(2, |byte| *byte == 0);
            let (scope, bare) = match (parts.next(), parts.next()) {
                (Some(scope), Some(bare)) => (scope, bare),
                _ => (&b""[..], &name[..]),
            };
            let mut shown = String::from_utf8_lossy(bare).into_owned();
            if !taken.insert(shown.clone()) {
                shown = format!("{}::{shown}", String::from_utf8_lossy(scope));
            }
            properties.push((quoted(&shown) + ":", child));
        }
        properties
    }

    fn class(&self, at: Range<usize>) -> String {
        quoted(&String::from_utf8_lossy(&self.source[at]))
    }
}

fn float(value: f64, text: &mut Writing) {
    if value.is_finite() {
        text.out.push_str(&serde_json::Value::from(value).to_string());
    } else {
        let name = if value.is_nan() {
            "NAN"
        } else if value > 0.0 {
            "INF"
        } else {
            "-INF"
        };
        text.tag(&format!(r#"{{"$php":"float","value":"{name}"}}"#));
    }
}

fn bytes_tag(bytes: &[u8]) -> String {
    format!(r#"{{"$php":"bytes","hex":"{}"}}"#, hex(bytes))
}

/// Text that is being written, and the arrays and objects that are not at their end.
#[derive(Default)]
struct Writing {
    out: String,
    open: Vec<Open>,
    depth: usize,
    too_deep: bool,
    loan: Option<Loan>,
}

struct Open {
    node: usize,
    /// What stands before each value, and the value.
    children: std::vec::IntoIter<(String, usize)>,
    begun: bool,
    between: &'static str,
    close: &'static str,
    depth: usize,
}

/// Where the outermost reference began that is being spelled out.
struct Loan {
    length: usize,
    open: usize,
    depth: usize,
}

impl Writing {
    fn is_in(&self, node: usize) -> bool {
        self.open.iter().any(|open| open.node == node)
    }

    fn borrow(&mut self) {
        self.loan.get_or_insert(Loan {
            length: self.out.len(),
            open: self.open.len(),
            depth: self.depth,
        });
    }

    fn tag(&mut self, tag: &str) {
        self.too_deep |= self.depth + 1 > MAX_JSON_DEPTH;
        self.out.push_str(tag);
    }

    fn open(&mut self, node: usize, depth: usize, text: &str, children: Vec<(String, usize)>, rest: [&'static str; 2]) {
        self.depth += depth;
        self.too_deep |= self.depth > MAX_JSON_DEPTH;
        self.out.push_str(text);
        self.open.push(Open {
            node,
            children: children.into_iter(),
            begun: false,
            between: rest[0],
            close: rest[1],
            depth,
        });
    }
}
