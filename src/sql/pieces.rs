//! Splits SQL into comments, quoted texts and words, for normalizing it and finding volatile
//! functions.

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece<'a> {
    /// White space or a comment.
    Blank,
    /// An identifier, keyword or number, including dots.
    Word(&'a str),
    /// A text in quotes of any kind.
    Quoted(&'a str),
    /// Any other character.
    Sign(char),
}

/// Splits a text into pieces. An unclosed quote or comment extends to the end of the text.
fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let b = sql.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    while i < b.len() {
        let start = i;
        let rest = &sql[i..];
        if b[i].is_ascii_whitespace() {
            while i < b.len() && b[i].is_ascii_whitespace() {
                i += 1;
            }
            out.push(Piece::Blank);
        } else if rest.starts_with("--") {
            i += rest.find('\n').unwrap_or(rest.len());
            out.push(Piece::Blank);
        } else if rest.starts_with("/*") {
            i += block_comment(rest);
            out.push(Piece::Blank);
        } else if matches!(b[i], b'\'' | b'"') {
            let escapes = i > 0 && matches!(b[i - 1], b'e' | b'E') && b[i] == b'\'';
            i += quoted(&b[i..], escapes);
            out.push(Piece::Quoted(&sql[start..i]));
        } else if let Some(length) = dollar_quoted(rest) {
            i += length;
            out.push(Piece::Quoted(&sql[start..i]));
        } else {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))
                .unwrap_or(rest.len());
            if length > 0 {
                i += length;
                out.push(Piece::Word(&sql[start..i]));
            } else {
                let sign = rest.chars().next().unwrap_or(' ');
                i += sign.len_utf8();
                out.push(Piece::Sign(sign));
            }
        }
    }
    out
}

/// The length of a block comment. Block comments may be nested.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < text.len() {
        let rest = &text.as_bytes()[i..];
        if rest.starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    text.len()
}

fn quoted(b: &[u8], escapes: bool) -> usize {
    let mut i = 1;
    while i < b.len() {
        if escapes && b[i] == b'\\' {
            i += 2;
        } else if b[i] != b[0] {
            i += 1;
        } else if b.get(i + 1) == Some(&b[0]) {
            i += 2;
        } else {
            return i + 1;
        }
    }
    b.len()
}

/// The length of `$tag$ ... $tag$`; `None` if the text does not begin with one.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = text.strip_prefix('$')?.find('$')? + 2;
    let tag = &text[..tag_end];
    let inner = &tag[1..tag.len() - 1];
    let named = inner.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !inner.starts_with(|c: char| c.is_numeric());
    let close = text[tag_end..].find(tag)?;
    named.then_some(tag_end + close + tag.len())
}

/// Normalizes SQL, so that texts that differ only in comments and white space become equal.
pub(crate) fn normalize_sql(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut blank = false;
    for piece in pieces(sql.trim().trim_end_matches(';')) {
        let text = match piece {
            Piece::Blank => {
                blank = true;
                continue;
            }
            Piece::Word(text) | Piece::Quoted(text) => text.to_owned(),
            Piece::Sign(c) => c.to_string(),
        };
        if let (true, Some(before), Some(after)) =
            (blank, out.chars().next_back(), text.chars().next())
            && (is_wordy(before) && is_wordy(after) || is_operator(before) && is_operator(after))
        {
            out.push(' ');
        }
        out.push_str(&text);
        blank = false;
    }
    out
}

/// Whether a character may be part of a word, or a quote around one.
fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '\'' | '$')
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?:".contains(c)
}

/// Keywords whose value may differ each time, with or without parentheses.
const WORDS: &[&str] = &[
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "current_user",
    "session_user",
    "tablesample",
];

/// Functions whose value depends on more than their arguments: clocks, random numbers, sessions,
/// files.
const FUNCTIONS: &[&str] = &[
    "now",
    "today",
    "get_current_timestamp",
    "get_current_time",
    "random",
    "setseed",
    "uuid",
    "gen_random_uuid",
    "nextval",
    "currval",
    "lastval",
    "version",
];

/// The first part of a query whose value may differ the next time, even if its inputs have not
/// changed. `functions` are the volatile functions of the engine, in addition to common ones. With
/// `()` after the name, a function is volatile only without arguments; a quoted entry is an
/// argument that makes any function volatile.
pub(crate) fn find_volatile(sql: &str, functions: &[&str]) -> Option<String> {
    let all: Vec<Piece<'_>> = pieces(sql).into_iter().filter(|p| *p != Piece::Blank).collect();
    for (i, piece) in all.iter().enumerate() {
        let called = all.get(i + 1) == Some(&Piece::Sign('('));
        match piece {
            Piece::Word(text) => {
                let name = last_name(piece);
                let bare = format!("{name}()");
                let is_bare = called && all.get(i + 2) == Some(&Piece::Sign(')'));
                let found = is_bare && functions.contains(&&*bare)
                    || WORDS.contains(&name.as_str()) && !text.contains('.')
                    || called && (FUNCTIONS.contains(&&*name) || functions.contains(&&*name))
                    || called && name == "age" && !has_comma(&all[i + 2..])
                    || name == "sample" && i > 0 && last_name(&all[i - 1]) == "using";
                if found {
                    return Some(name);
                }
                if text.to_ascii_lowercase().starts_with("information_schema.") {
                    return Some("information_schema".to_owned());
                }
            }
            // As in `date('now')`.
            Piece::Quoted(text) if functions.contains(&&*text.to_ascii_lowercase()) => {
                return Some((*text).to_owned());
            }
            // As in `from 'file.csv'`.
            Piece::Quoted(text)
                if text.starts_with('\'')
                    && i > 0
                    && matches!(&*last_name(&all[i - 1]), "from" | "join") =>
            {
                return Some((*text).to_owned());
            }
            _ => {}
        }
    }
    None
}

/// The last name of a dotted word, in lower case; empty for other pieces.
fn last_name(piece: &Piece<'_>) -> String {
    match piece {
        Piece::Word(text) => text.rsplit('.').next().unwrap_or(text).to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// Whether there is a comma before the closing bracket.
fn has_comma(pieces: &[Piece<'_>]) -> bool {
    let mut depth = 0;
    for piece in pieces {
        match piece {
            Piece::Sign('(' | '[' | '{') => depth += 1,
            Piece::Sign(')' | ']' | '}') if depth == 0 => return false,
            Piece::Sign(')' | ']' | '}') => depth -= 1,
            Piece::Sign(',') if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_do_not_count() {
        let a = normalize_sql(
            "select a ,  b -- first\nfrom t /* x /* y */ z */ where c = 'it''s  -- no comment';",
        );
        assert_eq!(a, normalize_sql("select a, b\n\nfrom t where c='it''s  -- no comment'"));
        assert_ne!(normalize_sql("select 'a  b'"), normalize_sql("select 'a b'"));
        assert_ne!(normalize_sql("select a - -1"), normalize_sql("select a --1"));
        assert_ne!(normalize_sql("select $$a -- b$$"), normalize_sql("select $$a$$"));
        assert_eq!(normalize_sql("select E'a\\' -- b' , 1"), "select E'a\\' -- b',1");
    }

    #[test]
    fn what_may_change_by_itself() {
        let of = |sql: &str| find_volatile(sql, &["read_csv"]);
        assert_eq!(of("select now()"), Some("now".to_owned()));
        assert_eq!(of("select current_date - 1"), Some("current_date".to_owned()));
        assert_eq!(of("select * from 'a.csv'"), Some("'a.csv'".to_owned()));
        assert_eq!(of("select * from t using sample 10%"), Some("sample".to_owned()));
        assert_eq!(of("select * from read_csv('a.csv')"), Some("read_csv".to_owned()));
        assert_eq!(of("select * from read_json('a.json')"), None, "not this engine's");
        assert_eq!(of("select age(born)"), Some("age".to_owned()));
        assert_eq!(of("select age(a, b), random, \"now\", t.current_date, 'now()' -- now()"), None);
    }
}
