//! Splits a text into tags, and finds the blocks that define macros, snapshots and the like.

/// A segment of a template's text; ranges are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Text,
    Comment,
    /// `{{ ... }}`
    Print(usize, usize),
    /// `{% ... %}`
    Tag(usize, usize),
}

/// The end of a tag whose content begins at `i`. Delimiters in strings are ignored, and so is `}}`
/// within brackets.
fn tag_end(b: &[u8], mut i: usize, close: [u8; 2]) -> usize {
    let mut depth = 0i32;
    while i < b.len() {
        match b[i] {
            q @ (b'\'' | b'"') => {
                i += 1;
                while i < b.len() && b[i] != q {
                    i += if b[i] == b'\\' { 2 } else { 1 };
                }
                i += 1;
            }
            _ if b[i] == close[0]
                && b.get(i + 1) == Some(&close[1])
                && (close[0] == b'%' || depth <= 0) =>
            {
                return i + 2;
            }
            b'{' | b'[' | b'(' => {
                depth += 1;
                i += 1;
            }
            b'}' | b']' | b')' => {
                depth -= 1;
                i += 1;
            }
            _ => i += 1,
        }
    }
    b.len()
}

/// The segments of `text[from..to]` in order. The content of `raw` blocks is text.
pub(super) fn split_segments(text: &str, from: usize, to: usize) -> Vec<Segment> {
    let b = &text.as_bytes()[..to];
    let mut out = Vec::new();
    let (mut i, mut plain) = (from, from);
    while i + 1 < to {
        // Skip to the next brace: most of a SQL file is text.
        let Some(step) = b[i..].iter().position(|c| *c == b'{') else { break };
        i += step;
        let Some(kind @ (b'{' | b'%' | b'#')) = b.get(i + 1).copied() else {
            i += 1;
            continue;
        };
        if plain < i {
            out.push(Segment::Text);
        }
        match kind {
            b'#' => {
                out.push(Segment::Comment);
                i = text[i + 2..to].find("#}").map_or(to, |x| i + 2 + x + 2);
            }
            b'{' => {
                let end = tag_end(b, i + 2, *b"}}").min(to);
                out.push(Segment::Print(i, end));
                i = end;
            }
            _ => {
                let end = tag_end(b, i + 2, *b"%}").min(to);
                out.push(Segment::Tag(i, end));
                let raw = tag_word(text, i, end).0 == "raw";
                i = end;
                if raw {
                    // Everything up to `endraw` is text.
                    let mut j = i;
                    i = to;
                    while let Some(k) = text[j..to].find("{%") {
                        let start = j + k;
                        if tag_word(text, start, to).0 == "endraw" {
                            i = start;
                            break;
                        }
                        j = start + 2;
                    }
                    out.push(Segment::Text);
                    plain = i;
                    continue;
                }
            }
        }
        plain = i;
    }
    if plain < to {
        out.push(Segment::Text);
    }
    out
}

pub(super) fn tag_word(text: &str, start: usize, end: usize) -> (&str, usize) {
    let b = text.as_bytes();
    let mut i = start + 2;
    while i < end && (matches!(b[i], b'-' | b'+') || b[i].is_ascii_whitespace()) {
        i += 1;
    }
    let word = i;
    while i < end && (b[i].is_ascii_alphanumeric() || b[i] == b'_') {
        i += 1;
    }
    (&text[word..i], word)
}

/// The end of a tag's content: before `%}` or `}}` and a whitespace control sign. If the tag is not
/// closed, the end of the text.
pub(super) fn tag_tail(text: &str, start: usize, end: usize) -> usize {
    let b = text.as_bytes();
    if end < start + 4 || !matches!(&b[end - 2..end], b"%}" | b"}}") {
        return end.max(start + 2).min(text.len());
    }
    let tail = end.saturating_sub(2).max(start + 2);
    if tail > start + 2 && matches!(b[tail - 1], b'-' | b'+') { tail - 1 } else { tail }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Macro,
    Test,
    Materialization,
    Snapshot,
    Docs,
}

impl BlockKind {
    fn of(word: &str) -> Option<(BlockKind, &'static str)> {
        Some(match word {
            "macro" => (BlockKind::Macro, "endmacro"),
            "test" => (BlockKind::Test, "endtest"),
            "data_test" => (BlockKind::Test, "enddata_test"),
            "materialization" => (BlockKind::Materialization, "endmaterialization"),
            "snapshot" => (BlockKind::Snapshot, "endsnapshot"),
            "docs" => (BlockKind::Docs, "enddocs"),
            _ => return None,
        })
    }
}

/// A defining block of a file: `{% macro name(...) %} body {% endmacro %}`, as byte ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    pub(crate) name: String,
    /// The range of the whole block, with both tags.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The end of the opening tag, and the start of the closing one.
    pub(crate) body: (usize, usize),
    /// The offset of the name.
    pub(crate) name_at: usize,
    /// Whether the block has no closing tag.
    pub(crate) unclosed: bool,
}

/// The blocks of the given kinds at the top level of a text.
pub(crate) fn find_blocks(text: &str, wanted: &[BlockKind]) -> Vec<Block> {
    split_blocks(text, wanted).0
}

/// A tag outside of all blocks, such as a closing tag too many: its word, and the range of the tag.
pub(super) type StrayTag<'t> = (&'t str, usize, usize);

/// The blocks of the given kinds at the top level of a text, and the tags beside them.
pub(super) fn split_blocks<'t>(
    text: &'t str,
    wanted: &[BlockKind],
) -> (Vec<Block>, Vec<StrayTag<'t>>) {
    let mut out: Vec<Block> = Vec::new();
    let mut strays = Vec::new();
    let mut open: Option<(Block, &'static str, u32)> = None;
    for segment in split_segments(text, 0, text.len()) {
        let Segment::Tag(start, end) = segment else { continue };
        let (word, word_at) = tag_word(text, start, end);
        match &mut open {
            Some((block, close, depth)) => {
                if word == *close {
                    if *depth > 0 {
                        *depth -= 1;
                        continue;
                    }
                    let (mut block, ..) =
                        open.take().unwrap_or_else(|| unreachable!("just matched"));
                    block.body.1 = start;
                    block.end = end;
                    block.unclosed = false;
                    out.push(block);
                } else if BlockKind::of(word).is_some_and(|(kind, _)| kind == block.kind)
                    && *close == closing(word)
                {
                    *depth += 1;
                }
            }
            None => {
                let Some((kind, close)) =
                    BlockKind::of(word).filter(|(kind, _)| wanted.contains(kind))
                else {
                    strays.push((word, start, end));
                    continue;
                };
                let after = word_at + word.len();
                let name_at =
                    after + text[after..end].bytes().take_while(u8::is_ascii_whitespace).count();
                let len = text[name_at..end]
                    .bytes()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == b'_')
                    .count();
                let name = text[name_at..name_at + len].to_owned();
                let block = Block {
                    kind,
                    name,
                    start,
                    end: text.len(),
                    body: (end, text.len()),
                    name_at,
                    unclosed: true,
                };
                open = Some((block, close, 0));
            }
        }
    }
    out.extend(open.map(|(block, ..)| block));
    (out, strays)
}

fn closing(word: &str) -> &'static str {
    BlockKind::of(word).map_or("", |(_, close)| close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_outside_of_blocks_are_strays() {
        let text = "{% set x = 1 %}{% macro a() %}{% if x %}{% endif %}{% endmacro %}{% endmacro %}{# {% x %} #}";
        let (blocks, strays) = split_blocks(text, &[BlockKind::Macro]);
        assert_eq!(blocks.len(), 1);
        let words: Vec<&str> = strays.iter().map(|(word, ..)| *word).collect();
        assert_eq!(words, ["set", "endmacro"]);
        assert_eq!(&text[strays[0].1..strays[0].2], "{% set x = 1 %}");
    }

    #[test]
    fn blocks_of_a_file() {
        let text = "{# {% macro no() %} #}\n{% macro a(x) -%} {{ '%}' }} {%- endmacro %}\n{%- test t(model) %}..{% endtest %}";
        let blocks = find_blocks(text, &[BlockKind::Macro, BlockKind::Test]);
        assert_eq!(blocks.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["a", "t"]);
        assert_eq!(&text[blocks[0].body.0..blocks[0].body.1], " {{ '%}' }} ");
        assert!(!blocks[1].unclosed);
    }

    #[test]
    fn raw_and_nested_macros() {
        let text = "{% raw %}{% macro no() %}{% endraw %}{% macro a() %}{% macro b() %}{% endmacro %}x{% endmacro %}";
        let blocks = find_blocks(text, &[BlockKind::Macro]);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].end, text.len());
        assert!(find_blocks("{% macro a() %}", &[BlockKind::Macro])[0].unclosed);
    }

    #[test]
    fn a_dict_in_braces_does_not_close_the_print() {
        let text = "{{ f({'a': {'b': 1}}) }}x";
        assert_eq!(
            split_segments(text, 0, text.len()),
            [Segment::Print(0, text.len() - 1), Segment::Text]
        );
    }
}
