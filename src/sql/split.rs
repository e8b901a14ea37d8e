//! Splits a text into statements.

/// The ranges of the statements, without semicolons; empty ones are left out. Quotes, dollar quotes
/// and comments are recognized, but no grammar (PostgreSQL documentation, "Lexical Structure").
pub(crate) fn split_statements(sql: &str) -> Vec<std::ops::Range<usize>> {
    let b = sql.as_bytes();
    let mut out = Vec::new();
    let (mut i, mut start, mut code) = (0, 0, false);
    while i < b.len() {
        match b[i] {
            b'\'' => {
                code = true;
                let escapes =
                    i > 0 && b[i - 1].eq_ignore_ascii_case(&b'e') && !(i > 1 && word(b[i - 2]));
                i = quoted(b, i, b'\'', escapes);
            }
            b'"' => {
                code = true;
                i = quoted(b, i, b'"', false);
            }
            b'$' if !(i > 0 && word(b[i - 1])) => {
                code = true;
                i = dollar(sql, i);
            }
            b'-' if b.get(i + 1) == Some(&b'-') => {
                i = sql[i..].find('\n').map_or(b.len(), |n| i + n);
            }
            b'/' if b.get(i + 1) == Some(&b'*') => i = comment(b, i),
            b';' => {
                if code {
                    out.push(start..i);
                }
                (start, code) = (i + 1, false);
                i += 1;
            }
            c => {
                code |= !c.is_ascii_whitespace();
                i += 1;
            }
        }
    }
    if code {
        out.push(start..b.len());
    }
    out
}

fn word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c == b'$' || !c.is_ascii()
}

/// The offset after a quoted text. A doubled quote ends one text and starts another, which has the
/// same effect.
fn quoted(b: &[u8], at: usize, quote: u8, escapes: bool) -> usize {
    let mut i = at + 1;
    while i < b.len() {
        if escapes && b[i] == b'\\' {
            i += 1;
        } else if b[i] == quote {
            return i + 1;
        }
        i += 1;
    }
    b.len()
}

fn dollar(sql: &str, at: usize) -> usize {
    let rest = &sql[at + 1..];
    let Some(end) = rest.find('$') else { return at + 1 };
    if !rest[..end].bytes().all(word) || rest.starts_with(|c: char| c.is_ascii_digit()) {
        return at + 1;
    }
    let mark = &sql[at..at + end + 2];
    let body = at + mark.len();
    sql[body..].find(mark).map_or(sql.len(), |n| body + n + mark.len())
}

/// The offset after a block comment. Block comments may be nested.
fn comment(b: &[u8], at: usize) -> usize {
    let (mut i, mut depth) = (at, 0);
    while i + 1 < b.len() {
        match (b[i], b[i + 1]) {
            (b'/', b'*') => (depth, i) = (depth + 1, i + 2),
            (b'*', b'/') => {
                (depth, i) = (depth - 1, i + 2);
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    b.len()
}

/// The first word of a statement in lower case, after any comments.
pub(crate) fn first_word(sql: &str) -> String {
    let mut rest = sql.trim_start();
    loop {
        if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |n| &rest[n..]).trim_start();
        } else if rest.starts_with("/*") {
            rest = rest[comment(rest.as_bytes(), 0)..].trim_start();
        } else {
            break;
        }
    }
    rest.trim_start_matches('(')
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        split_statements(sql).into_iter().map(|r| sql[r].trim()).collect()
    }

    #[test]
    fn semicolons_that_end_statements() {
        assert_eq!(texts("select 1; select ';' ;;"), ["select 1", "select ';'"]);
        assert_eq!(
            texts("select E'\\';' as a; -- ;\nselect 2"),
            ["select E'\\';' as a", "-- ;\nselect 2"]
        );
        assert_eq!(
            texts("do $x$ begin; end $x$; /* a /* ; */ ; */ select \"a;\"\"b\""),
            ["do $x$ begin; end $x$", "/* a /* ; */ ; */ select \"a;\"\"b\""]
        );
        assert_eq!(texts(" ; -- nothing\n"), [""; 0]);
        assert_eq!(texts("select $1, a$b; select 'a''b;c'"), ["select $1, a$b", "select 'a''b;c'"]);
    }

    #[test]
    fn words() {
        assert_eq!(first_word("/* {\"app\": 1} */\n-- x\n (SELECT 1)"), "select");
        assert_eq!(first_word(""), "");
    }
}
