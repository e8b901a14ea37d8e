//! Parses YAML into a tree with spans.

use super::{Json, JsonMap, scalar};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic, nearest_name};
use crate::source::{FileId, Span};
use granit_parser::{Event, Parser, ScalarStyle};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Yaml {
    pub(crate) span: Span,
    pub(crate) value: YamlValue,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum YamlValue {
    Null,
    Bool(bool),
    Int(i64),
    /// The digits of an integer that does not fit into 64 bits.
    BigInt(Arc<str>),
    Float(f64),
    /// A date or a timestamp, as Python prints it.
    Date(String),
    Str(Arc<str>),
    Seq(Vec<Yaml>),
    Map(YamlMap),
}

/// A key with its span. Keys that are not texts are converted as by Python's `str` (`True` for an
/// unquoted `on`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) text: Arc<str>,
    pub(crate) span: Span,
}

/// Entries in their written order, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct YamlMap {
    pub(crate) entries: Vec<(Key, Yaml)>,
}

impl YamlMap {
    pub(crate) fn get(&self, key: &str) -> Option<&Yaml> {
        self.entries.iter().find(|(k, _)| &*k.text == key).map(|(_, v)| v)
    }

    /// The text of a scalar. `None` if the key is missing, or its value is a list or a mapping.
    pub(crate) fn get_text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Yaml::scalar_text)
    }

    pub(crate) fn key(&self, key: &str) -> Option<&Key> {
        self.entries.iter().find(|(k, _)| &*k.text == key).map(|(k, _)| k)
    }

    /// The value of the first of these keys that exists.
    pub(crate) fn get_any(&self, keys: &[&str]) -> Option<&Yaml> {
        keys.iter().find_map(|k| self.get(k))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Yaml)> {
        self.entries.iter().map(|(k, v)| (k, v))
    }

    /// The entries except those with these keys.
    pub(crate) fn without(&self, keys: &[&str]) -> YamlMap {
        let entries = self.entries.iter().filter(|(key, _)| !keys.contains(&&*key.text)).cloned();
        YamlMap { entries: entries.collect() }
    }

    /// The entries of both; those of `other` take precedence.
    pub(crate) fn overridden_by(&self, other: &YamlMap) -> YamlMap {
        let mut all = self.clone();
        for (key, value) in other.iter() {
            all.set(key.clone(), value.clone());
        }
        all
    }

    /// Sets a key. An existing key keeps its position and is returned.
    fn set(&mut self, key: Key, value: Yaml) -> Option<Key> {
        match self.entries.iter_mut().find(|(k, _)| k.text == key.text) {
            Some(entry) => {
                let old = std::mem::replace(&mut entry.0, key);
                entry.1 = value;
                Some(old)
            }
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }
}

impl Yaml {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Str(s) => Some(s),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.value {
            YamlValue::Bool(b) => Some(b),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&YamlMap> {
        match &self.value {
            YamlValue::Map(m) => Some(m),
            _ => None,
        }
    }

    /// Whether any text in the value ends with a newline.
    pub(crate) fn has_final_newline(&self) -> bool {
        match &self.value {
            YamlValue::Str(text) => text.ends_with('\n'),
            YamlValue::Seq(items) => items.iter().any(Yaml::has_final_newline),
            YamlValue::Map(map) => map.iter().any(|(_, value)| value.has_final_newline()),
            _ => false,
        }
    }

    /// The items of a list. Null counts as an empty list, other values as lists of one.
    pub(crate) fn items(&self) -> &[Yaml] {
        match &self.value {
            YamlValue::Seq(items) => items,
            YamlValue::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == YamlValue::Null
    }

    /// A scalar as Python's `str`; `None` for lists and mappings.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.value {
            YamlValue::Str(s) => Some(s.to_string()),
            YamlValue::Date(s) => Some(s.clone()),
            YamlValue::Seq(_) | YamlValue::Map(_) => None,
            _ => Some(scalar::python_str(&self.to_json())),
        }
    }

    /// The value without spans. Dates become text, NaN becomes null.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            YamlValue::Null => Json::Null,
            YamlValue::Bool(b) => Json::Bool(*b),
            YamlValue::Int(i) => Json::from(*i),
            YamlValue::BigInt(digits) => digits.parse().map_or(Json::Null, Json::Number),
            YamlValue::Float(f) => Json::from(*f),
            YamlValue::Date(s) => Json::String(s.clone()),
            YamlValue::Str(s) => Json::String(s.to_string()),
            YamlValue::Seq(items) => Json::Array(items.iter().map(Yaml::to_json).collect()),
            YamlValue::Map(map) => Json::Object(
                map.iter().map(|(k, v)| (k.text.to_string(), v.to_json())).collect::<JsonMap>(),
            ),
        }
    }

    /// The kind of value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            YamlValue::Null => "nothing",
            YamlValue::Bool(_) => "true or false",
            YamlValue::Int(_) | YamlValue::BigInt(_) | YamlValue::Float(_) => "a number",
            YamlValue::Date(_) => "a date",
            YamlValue::Str(_) => "text",
            YamlValue::Seq(_) => "a list",
            YamlValue::Map(_) => "a mapping",
        }
    }
}

/// Parses a file with a single document; an empty file is null.
pub(crate) fn parse_yaml(file: FileId, text: &str) -> Checked<Yaml> {
    let mut builder = Builder {
        file,
        open_end: (!text.ends_with('\n')).then_some(text.len()),
        chars: CharIndex::new(text),
        diagnostics: Vec::new(),
        anchors: HashMap::new(),
        anchor_places: HashMap::new(),
        copied: 0,
        stack: Vec::new(),
        root: None,
    };
    let options = granit_parser::options! { emit_anchor_events: true };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((Event::Anchor(_, name), span)) => {
                if !builder.anchor(&name, span) {
                    break;
                }
            }
            Ok((Event::DocumentStart(..), span)) if builder.root.is_some() => {
                builder.second_document(span);
                break;
            }
            Ok((event, span)) => builder.event(event, span),
            Err(e) => {
                let at = builder.byte(*e.marker());
                let d = Diagnostic::error(Code::Yaml, format!("invalid YAML: {}", e.info()))
                    .primary(Span::new(file, at, at + 1), "");
                builder.diagnostics.push(d);
                break;
            }
        }
    }
    let null = Yaml { span: Span::file(file), value: YamlValue::Null };
    // Collections that are still open after a syntax error are dropped: incomplete mappings would
    // cause misleading errors.
    let root = builder.root.take().unwrap_or(null);
    Checked::new(root, builder.diagnostics)
}

/// Converts the parser's character offsets to byte offsets. For ASCII text no table is needed.
struct CharIndex {
    bytes: Option<Vec<u32>>,
    len: usize,
}

impl CharIndex {
    fn new(text: &str) -> CharIndex {
        let bytes =
            (!text.is_ascii()).then(|| text.char_indices().map(|(i, _)| i as u32).collect());
        CharIndex { bytes, len: text.len() }
    }

    fn byte(&self, chars: usize) -> usize {
        match &self.bytes {
            None => chars.min(self.len),
            Some(bytes) => bytes.get(chars).map_or(self.len, |b| *b as usize),
        }
    }
}

/// The maximum number of values that the aliases of a file expand to.
const MOST_COPIED: usize = 200_000;

/// The number of values in a value, including itself.
fn size(node: &Yaml) -> usize {
    match &node.value {
        YamlValue::Seq(items) => 1 + items.iter().map(size).sum::<usize>(),
        YamlValue::Map(map) => 1 + map.iter().map(|(_, value)| size(value)).sum::<usize>(),
        _ => 1,
    }
}

enum Open {
    Seq(Vec<Yaml>),
    Map(YamlMap, Vec<Yaml>, Option<(Key, bool)>),
}

struct Builder {
    file: FileId,
    /// The length of a text that ends without a line break.
    open_end: Option<usize>,
    chars: CharIndex,
    diagnostics: Vec<Diagnostic>,
    anchors: HashMap<usize, Yaml>,
    /// The span of each anchor, by name.
    anchor_places: HashMap<String, Span>,
    /// The number of values that aliases have expanded to so far.
    copied: usize,
    stack: Vec<(Open, usize, usize)>,
    root: Option<Yaml>,
}

impl Builder {
    fn byte(&self, marker: granit_parser::Marker) -> usize {
        marker.byte_offset().unwrap_or_else(|| self.chars.byte(marker.index()))
    }

    fn second_document(&mut self, span: granit_parser::Span) {
        let (start, end) = (self.byte(span.start), self.byte(span.end));
        let d = Diagnostic::error(Code::Yaml, "a second document begins here; a file has one")
            .primary(Span::new(self.file, start, end.max(start + 1)), "");
        self.diagnostics.push(d);
    }

    /// Registers an anchor. Returns false if its name is taken, which is an error as in PyYAML.
    fn anchor(&mut self, name: &str, span: granit_parser::Span) -> bool {
        let (start, end) = (self.byte(span.start), self.byte(span.end));
        let place = Span::new(self.file, start, end.max(start + 1));
        let Some(first) = self.anchor_places.insert(name.to_owned(), place) else { return true };
        let d = Diagnostic::error(Code::Yaml, format!("the anchor `&{name}` is there twice"))
            .primary(place, "the second")
            .secondary(first, "the first")
            .help("give one of them another name");
        self.diagnostics.push(d);
        false
    }

    /// Whether a block of lines is the end of a text without a line break there. As in PyYAML, it
    /// has none either, which the parser adds.
    fn ends_text(&self, style: ScalarStyle, end: usize) -> bool {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        is_block && self.open_end.is_some_and(|length| end >= length)
    }

    fn event(&mut self, event: Event<'_>, span: granit_parser::Span) {
        let (start, end) = (self.byte(span.start), self.byte(span.end));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged_text = tag.as_ref().is_some_and(|t| t.suffix() == "str");
                let value = if style == ScalarStyle::Plain && !tagged_text {
                    scalar::resolve_scalar(&text)
                } else if self.ends_text(style, end) {
                    YamlValue::Str(text.strip_suffix('\n').unwrap_or(&text).into())
                } else {
                    YamlValue::Str(text.as_ref().into())
                };
                let node = Yaml { span: Span::new(self.file, start, end), value };
                let merge = style == ScalarStyle::Plain && text == "<<";
                self.done(node, anchor, merge);
            }
            Event::SequenceStart(_, anchor, ..) => {
                self.stack.push((Open::Seq(Vec::new()), anchor, start))
            }
            Event::MappingStart(_, anchor, ..) => {
                self.stack.push((Open::Map(YamlMap::default(), Vec::new(), None), anchor, start));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((open, anchor, start)) = self.stack.pop() else { return };
                let value = match open {
                    Open::Seq(items) => YamlValue::Seq(items),
                    Open::Map(map, merges, _) => YamlValue::Map(merged(map, merges)),
                };
                // The end is that of the collection's last line. The parser reports the next token.
                let node = Yaml { span: Span::new(self.file, start, end.max(start)), value };
                self.done(node, anchor, false);
            }
            Event::Alias(id) => {
                let Some(size) = self.anchors.get(&id).map(size) else { return };
                self.copied += size;
                if self.copied > MOST_COPIED {
                    let message = format!("aliases stand for more than {MOST_COPIED} values");
                    let d = Diagnostic::error(Code::Yaml, message)
                        .primary(Span::new(self.file, start, end), "");
                    if self.diagnostics.last().is_none_or(|last| last.message != d.message) {
                        self.diagnostics.push(d);
                    }
                    let null =
                        Yaml { span: Span::new(self.file, start, end), value: YamlValue::Null };
                    self.done(null, 0, false);
                } else if let Some(node) = self.anchors.get(&id).cloned() {
                    self.done(node, 0, false);
                }
            }
            _ => {}
        }
    }

    /// Adds a finished node to the innermost open collection.
    fn done(&mut self, node: Yaml, anchor: usize, merge: bool) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some((Open::Seq(items), ..)) => items.push(node),
            Some((Open::Map(map, merges, pending), ..)) => match pending.take() {
                None => {
                    let nested = matches!(node.value, YamlValue::Seq(_) | YamlValue::Map(_));
                    if nested && !merge {
                        let d = Diagnostic::error(
                            Code::YamlShape,
                            format!("{} cannot be a key", node.kind()),
                        );
                        let d = d.primary(node.span, "");
                        self.diagnostics.push(d.help("put quotes around Jinja: `\"{{ ... }}\"`"));
                    }
                    // The text of nested collections would double in size with each level.
                    let text = match nested {
                        true => format!("{} at byte {start}", node.kind(), start = node.span.start),
                        false => node
                            .scalar_text()
                            .unwrap_or_else(|| scalar::python_str(&node.to_json())),
                    };
                    *pending = Some((Key { text: text.into(), span: node.span }, merge));
                }
                Some((_, true)) => match node.value {
                    YamlValue::Seq(items) => merges.extend(items),
                    _ => merges.push(node),
                },
                Some((key, false)) => {
                    let (text, span) = (key.text.clone(), key.span);
                    if let Some(old) = map.set(key, node) {
                        self.diagnostics.push(
                            Diagnostic::dbt_warning(
                                Code::DuplicateKey,
                                DbtEvent::DuplicateYAMLKeysDeprecation,
                                format!("key `{text}` is written twice; the last one counts"),
                            )
                            .primary(span, "this one counts")
                            .secondary(old.span, "this one is ignored"),
                        );
                    }
                }
            },
        }
    }
}

/// Applies the `<<` merges of a mapping. Its own keys take precedence, then later merges. As in
/// PyYAML, merged keys come first.
fn merged(own: YamlMap, merges: Vec<Yaml>) -> YamlMap {
    if merges.is_empty() {
        return own;
    }
    let mut out = YamlMap::default();
    for merge in merges {
        if let YamlValue::Map(map) = merge.value {
            for (k, v) in map.entries {
                out.set(k, v);
            }
        }
    }
    for (k, v) in own.entries {
        out.set(k, v);
    }
    out
}

/// Warns of each key of a mapping that is not in `known`.
pub(crate) fn unknown_keys(map: &YamlMap, known: &[&str], what: &str, out: &mut Vec<Diagnostic>) {
    let event = DbtEvent::CustomKeyInObjectDeprecation;
    report_unknown_keys(map, known, what, out, &|message| {
        Diagnostic::dbt_warning(Code::UnknownKey, event, message)
    });
}

/// Makes an error of each key of a mapping that is not in `known`.
pub(crate) fn refuse_unknown_keys(
    map: &YamlMap,
    known: &[&str],
    what: &str,
    out: &mut Vec<Diagnostic>,
) {
    report_unknown_keys(map, known, what, out, &|message| {
        Diagnostic::error(Code::YamlShape, message)
    });
}

fn report_unknown_keys(
    map: &YamlMap,
    known: &[&str],
    what: &str,
    out: &mut Vec<Diagnostic>,
    diagnostic: &dyn Fn(String) -> Diagnostic,
) {
    for (key, _) in map.iter().filter(|(key, _)| !known.contains(&&*key.text)) {
        let d = diagnostic(format!("unknown key `{}` in {what}", key.text));
        let near = nearest_name(&key.text, known.iter().copied());
        out.push(d.primary(key.span, "nothing reads this").did_you_mean(near));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_at_the_end_has_the_line_break_that_the_text_has() {
        let of = |text: &str| {
            let tree = parse_yaml(FileId(0), text).value;
            tree.as_map().and_then(|map| map.get_text("d")).unwrap()
        };
        for (text, value) in [
            ("d: >\n  a\n  b\n", "a b\n"),
            ("d: >\n  a\n  b", "a b"),
            ("d: |\n  a\n  b", "a\nb"),
            ("d: >\n  a\ne: 1", "a\n"),
            ("d: >-\n  a\n", "a"),
        ] {
            assert_eq!(of(text), value, "{text:?}");
        }
    }

    fn parse(text: &str) -> Checked<Yaml> {
        parse_yaml(FileId(0), text)
    }

    #[test]
    fn an_anchor_has_one_place() {
        let text = "a: &x 1\nb: &x 2\nc: *x\n";
        let read = parse(text);
        assert_eq!(read.diagnostics.len(), 1, "{:?}", read.diagnostics);
        assert_eq!(read.diagnostics[0].primary.as_ref().unwrap().span.start, 11);
        assert!(parse("a: &x 1\nb: *x\nc: *x\n").diagnostics.is_empty());
    }

    #[test]
    fn trees_have_places() {
        let text = "models:\n  - name: é\n    description: >\n      two\n      lines\n    tags: [a, 'yes', yes]\n";
        let y = parse(text).value;
        let model = &y.as_map().unwrap().get("models").unwrap().items()[0];
        let name = model.as_map().unwrap().get("name").unwrap();
        assert_eq!(&text[name.span.start as usize..name.span.end as usize], "é");
        let tags = model.as_map().unwrap().get("tags").unwrap();
        assert_eq!(tags.to_json(), serde_json::json!(["a", "yes", true]));
        assert_eq!(&text[tags.span.start as usize..tags.span.end as usize], "[a, 'yes', yes]");
        assert_eq!(
            model.as_map().unwrap().get("description").unwrap().as_str(),
            Some("two lines\n")
        );
    }

    #[test]
    fn merge_keys_aliases_and_repeats() {
        let y = parse("base: &b {x: 1, y: 2}\nnew:\n  <<: *b\n  y: 3\nz: 1\nz: 2\n");
        assert_eq!(
            y.value.to_json(),
            serde_json::json!({"base": {"x": 1, "y": 2}, "new": {"x": 1, "y": 3}, "z": 2})
        );
        assert_eq!(y.diagnostics.len(), 1);
        assert_eq!(y.diagnostics[0].code, Code::DuplicateKey);
    }

    #[test]
    fn errors_have_a_place() {
        let y = parse("a: 1\nb: [1,\n");
        assert!(y.diagnostics[0].is_error());
        assert_eq!(parse("").value.value, YamlValue::Null);
    }
}
