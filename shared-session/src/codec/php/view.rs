//! Converts a record's values to JSON text for handlers. [`super`] lists the tags for values that JSON cannot express.
//!
//! Numbers, strings and tags have the same text as `serde_json` writes for them, so that they do not change when a handler
//! passes them through a `serde_json::Value`. The members of an object keep the record's order, which a `Value` sorts.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::scan::{Kind, Record};
use super::text::{Key, Text, hex, quoted};
use super::{MAX_JSON_DEPTH, TAG};

const REFERENCE: &str = r#"{"$php":"reference"}"#;
const DEEP: &str = r#"{"$php":"deep"}"#;

/// Converts the values of one record.
pub(super) struct View<'a> {
    record: &'a Record,
    source: &'a [u8],
    /// The number of bytes that expanded references may still add. Without a limit, references to references could expand
    /// a small record beyond the memory.
    expansion_limit: usize,
}

impl<'a> View<'a> {
    pub fn new(record: &'a Record, source: &'a [u8]) -> Self {
        Self {
            record,
            source,
            expansion_limit: 2 * source.len() + 64 * 1024,
        }
    }

    /// Returns a value as JSON text.
    pub fn json(&mut self, node: usize) -> String {
        let mut output = Output::default();
        self.write(node, &mut output);
        self.enforce_limits(&mut output);
        while let Some(top) = output.open.last_mut() {
            if let Some((prefix, child)) = top.children.next() {
                let separator = if top.is_first { "" } else { top.separator };
                top.is_first = false;
                output.text.push_str(separator);
                output.text.push_str(&prefix);
                self.write(child, &mut output);
            } else if let Some(top) = output.open.pop() {
                output.depth -= top.depth;
                output.text.push_str(top.close);
            }
            self.enforce_limits(&mut output);
        }
        output.text
    }

    /// Writes a value, or the start of an array or object.
    fn write(&mut self, node: usize, output: &mut Output) {
        let node = match self.record.nodes[node].kind {
            Kind::Reference {
                target: Some(target), ..
            } if self.expansion_limit > 0 && !output.is_inside(target) => {
                output.start_expansion();
                target
            }
            Kind::Reference { .. } => return output.tag(REFERENCE),
            _ => node,
        };
        match &self.record.nodes[node].kind {
            Kind::Null => output.text.push_str("null"),
            Kind::Bool(value) => output.text.push_str(if *value { "true" } else { "false" }),
            Kind::Int(value) => output.text.push_str(&value.to_string()),
            Kind::Float(value) => float(*value, output),
            Kind::Text(value) => self.string(value, output),
            Kind::Array => self.array(node, output),
            Kind::Object { class } => {
                let open = format!(
                    r#"{{"$php":"object","class":{},"properties":{{"#,
                    self.quoted_span(class.clone())
                );
                output.open(node, 2, &open, self.properties(node), [",", "}}"]);
            }
            Kind::Custom { class, payload } => output.tag(&format!(
                r#"{{"$php":"custom","class":{},"hex":"{}"}}"#,
                self.quoted_span(class.clone()),
                hex(&self.source[payload.clone()])
            )),
            Kind::EnumCase { class, case } => output.tag(&format!(
                r#"{{"$php":"enum","case":{},"class":{}}}"#,
                self.quoted_span(case.clone()),
                self.quoted_span(class.clone())
            )),
            Kind::Reference { .. } => output.tag(REFERENCE),
        }
    }

    /// Replaces the reference that is being expanded by a tag if its text became too long or too deep. No reference after
    /// it is expanded then. Without a reference to replace, a value that is too deep becomes a tag as a whole.
    fn enforce_limits(&mut self, output: &mut Output) {
        while output.expansion.is_some() || output.too_deep {
            let Some(expansion) = output.expansion.take() else {
                *output = Output::default();
                return output.text.push_str(DEEP);
            };
            let used = output.text.len() - expansion.text;
            if used <= self.expansion_limit && !output.too_deep {
                if output.open.len() > expansion.open {
                    output.expansion = Some(expansion);
                } else {
                    self.expansion_limit -= used;
                }
                return;
            }
            self.expansion_limit = 0;
            output.text.truncate(expansion.text);
            output.open.truncate(expansion.open);
            output.depth = expansion.depth;
            output.too_deep = false;
            output.tag(REFERENCE);
        }
    }

    fn string(&self, value: &Text, output: &mut Output) {
        let bytes = value.bytes(self.source);
        match std::str::from_utf8(&bytes) {
            Ok(value) => output.text.push_str(&quoted(value)),
            Err(_) => output.tag(&bytes_tag(&bytes)),
        }
    }

    fn array(&self, node: usize, output: &mut Output) {
        let elements = self.elements(node);
        let key = |child: usize| self.record.nodes[child].key.as_ref();
        let mut indexed = (0..).zip(&elements);
        if indexed.all(|(index, child)| matches!(key(*child), Some(Key::Int(key)) if *key == index)) {
            let children = elements.into_iter().map(|child| (String::new(), child)).collect();
            return output.open(node, 1, "[", children, [",", "]"]);
        }
        if let Some(members) = elements
            .iter()
            .map(|child| Some((self.member_prefix(*child)?, *child)))
            .collect()
        {
            return output.open(node, 1, "{", members, [",", "}"]);
        }
        let entries = elements
            .into_iter()
            .map(|child| (self.entry_prefix(child), child))
            .collect();
        output.too_deep |= output.depth + 4 > MAX_JSON_DEPTH;
        output.open(node, 3, r#"{"$php":"array","entries":["#, entries, ["],", "]]}"]);
    }

    /// Returns an array's elements as PHP reads them: for a repeated key, the last value at the position of the first.
    fn elements(&self, node: usize) -> Vec<usize> {
        let children: Vec<usize> = self.record.children(node).collect();
        if !self.record.has_repeated_keys {
            return children;
        }
        let mut positions = HashMap::new();
        let mut elements: Vec<usize> = Vec::with_capacity(children.len());
        for child in children {
            let position = *positions.entry(self.key_bytes(child)).or_insert(elements.len());
            match elements.get_mut(position) {
                Some(element) => *element = child,
                None => elements.push(child),
            }
        }
        elements
    }

    fn key_bytes(&self, node: usize) -> Vec<u8> {
        match &self.record.nodes[node].key {
            Some(Key::Int(key)) => key.to_string().into_bytes(),
            Some(Key::Text(key)) => key.bytes(self.source).into_owned(),
            None => Vec::new(),
        }
    }

    /// Returns the name and colon of an object's member, or `None` if JSON cannot express the key or it looks like a tag.
    fn member_prefix(&self, node: usize) -> Option<String> {
        let name = String::from_utf8(self.key_bytes(node)).ok()?;
        (name != TAG).then(|| quoted(&name) + ":")
    }

    /// Returns the start of a pair of key and value.
    fn entry_prefix(&self, node: usize) -> String {
        if let Some(Key::Int(key)) = self.record.nodes[node].key {
            return format!("[{key},");
        }
        match String::from_utf8(self.key_bytes(node)) {
            Ok(name) => format!("[{},", quoted(&name)),
            Err(error) => format!("[{},", bytes_tag(error.as_bytes())),
        }
    }

    /// Returns an object's properties with their names. If a class and its parent both have a private property of one
    /// name, the second is called `Class::name`.
    fn properties(&self, node: usize) -> Vec<(String, usize)> {
        let mut used = HashSet::new();
        let mut properties = Vec::new();
        for child in self.elements(node) {
            let key = self.key_bytes(child);
            // PHP writes a private property as "\0Class\0name" and a protected one as "\0*\0name"
            let mut parts = key.strip_prefix(b"\0").unwrap_or_default().splitn(2, |byte| *byte == 0);
            let (scope, name) = match (parts.next(), parts.next()) {
                (Some(scope), Some(name)) => (scope, name),
                _ => (&b""[..], &key[..]),
            };
            let mut name = String::from_utf8_lossy(name).into_owned();
            if !used.insert(name.clone()) {
                name = format!("{}::{name}", String::from_utf8_lossy(scope));
            }
            properties.push((quoted(&name) + ":", child));
        }
        properties
    }

    fn quoted_span(&self, span: Range<usize>) -> String {
        quoted(&String::from_utf8_lossy(&self.source[span]))
    }
}

fn float(value: f64, output: &mut Output) {
    if value.is_finite() {
        output.text.push_str(&serde_json::Value::from(value).to_string());
    } else {
        let name = if value.is_nan() {
            "NAN"
        } else if value > 0.0 {
            "INF"
        } else {
            "-INF"
        };
        output.tag(&format!(r#"{{"$php":"float","value":"{name}"}}"#));
    }
}

fn bytes_tag(bytes: &[u8]) -> String {
    format!(r#"{{"$php":"bytes","hex":"{}"}}"#, hex(bytes))
}

/// JSON text, and the arrays and objects in it whose ends are not written yet.
#[derive(Default)]
struct Output {
    text: String,
    open: Vec<OpenContainer>,
    depth: usize,
    too_deep: bool,
    expansion: Option<Expansion>,
}

struct OpenContainer {
    node: usize,
    /// The remaining children, each with the text before its value.
    children: std::vec::IntoIter<(String, usize)>,
    is_first: bool,
    separator: &'static str,
    close: &'static str,
    /// The levels of JSON that this container adds.
    depth: usize,
}

/// The state of the output before the outermost reference that is being expanded.
struct Expansion {
    text: usize,
    open: usize,
    depth: usize,
}

impl Output {
    fn is_inside(&self, node: usize) -> bool {
        self.open.iter().any(|open| open.node == node)
    }

    /// Notes the state before a reference, unless an outer one is already being expanded.
    fn start_expansion(&mut self) {
        self.expansion.get_or_insert(Expansion {
            text: self.text.len(),
            open: self.open.len(),
            depth: self.depth,
        });
    }

    fn tag(&mut self, tag: &str) {
        self.too_deep |= self.depth + 1 > MAX_JSON_DEPTH;
        self.text.push_str(tag);
    }

    fn open(
        &mut self,
        node: usize,
        depth: usize,
        text: &str,
        children: Vec<(String, usize)>,
        [separator, close]: [&'static str; 2],
    ) {
        self.depth += depth;
        self.too_deep |= self.depth > MAX_JSON_DEPTH;
        self.text.push_str(text);
        self.open.push(OpenContainer {
            node,
            children: children.into_iter(),
            is_first: true,
            separator,
            close,
            depth,
        });
    }
}
