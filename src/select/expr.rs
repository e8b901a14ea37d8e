//! Parses selectors: `^(@)?((\d*)\+)?((method(.arg)*):)?(value)(\+(\d*))?$`. A space is a union, a
//! comma an intersection.

use crate::source::Span;
use std::convert::Infallible;
use std::fmt;

/// When a test that is not selected itself is added: if any parent is selected (eager), if every
/// parent is (cautious), if every parent is selected or an ancestor of a selected node (buildable),
/// or never (empty).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IndirectSelection {
    #[default]
    Eager,
    Cautious,
    Buildable,
    Empty,
}

impl IndirectSelection {
    pub(crate) fn parse(text: &str) -> Option<IndirectSelection> {
        Some(match text {
            "eager" => IndirectSelection::Eager,
            "cautious" => IndirectSelection::Cautious,
            "buildable" => IndirectSelection::Buildable,
            "empty" => IndirectSelection::Empty,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            IndirectSelection::Eager => "eager",
            IndirectSelection::Cautious => "cautious",
            IndirectSelection::Buildable => "buildable",
            IndirectSelection::Empty => "empty",
        }
    }
}

/// The stage of an expression: as written, or with its methods resolved.
pub(crate) trait Stage {
    type Raw: Clone + fmt::Debug + PartialEq;
    type Method: Clone + fmt::Debug + PartialEq;
}

/// As written: methods are text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unresolved;

/// Resolved: methods and values were checked, and each method is replaced by the nodes that it
/// matches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved;

impl Stage for Unresolved {
    type Raw = RawMethod;
    type Method = Infallible;
}

impl Stage for Resolved {
    type Raw = Infallible;
    type Method = fixedbitset::FixedBitSet;
}

/// `method.arg.arg:value`; the method is optional.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawMethod {
    pub(crate) method: Option<String>,
    pub(crate) args: Vec<String>,
    pub(crate) value: String,
    /// The span of the criterion, if it is in a file.
    pub(crate) span: Option<Span>,
}

/// A method at either stage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CriterionMethod<S: Stage> {
    Raw(S::Raw),
    Method(S::Method),
}

/// The number of levels that a graph operator reaches; `None`: all.
pub(crate) type Depth = Option<usize>;

/// A criterion with its graph operators.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Criterion<S: Stage> {
    pub(crate) at_operator: bool,
    pub(crate) parents: Option<Depth>,
    pub(crate) children: Option<Depth>,
    pub(crate) method: CriterionMethod<S>,
    pub(crate) indirect: IndirectSelection,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SelectorExpr<S: Stage> {
    Criterion(Criterion<S>),
    /// The operands, and the mode that decides on undecided tests after the operator.
    Union(Vec<SelectorExpr<S>>, IndirectSelection),
    Intersection(Vec<SelectorExpr<S>>, IndirectSelection),
    Difference(Box<SelectorExpr<S>>, Box<SelectorExpr<S>>),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CriterionError {
    #[error("`{0}`: `@` and a `+` behind the name cannot be used together")]
    TwoDirections(String),
    #[error("`{0}` names nothing")]
    Nameless(String),
}

pub(crate) fn parse_criterion(
    text: &str,
    indirect: IndirectSelection,
) -> Result<Criterion<Unresolved>, CriterionError> {
    let whole = text;
    let (at, text) = match text.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (parents, text) = match text[digits..].strip_prefix('+') {
        Some(rest) => (Some(depth(&text[..digits])), rest),
        None => (None, text),
    };
    let end = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let (children, text) = match end.strip_suffix('+') {
        Some(rest) => (Some(depth(&text[end.len()..])), rest),
        None => (None, text),
    };
    if at && children.is_some() {
        return Err(CriterionError::TwoDirections(whole.to_owned()));
    }
    let (method, value) = match text.split_once(':') {
        Some((method, value)) => (Some(method), value),
        None => (None, text),
    };
    if value.is_empty() {
        return Err(CriterionError::Nameless(whole.to_owned()));
    }
    let mut parts = method.into_iter().flat_map(|m| m.split('.')).map(str::to_owned);
    let method = parts.next();
    let raw = RawMethod { method, args: parts.collect(), value: value.to_owned(), span: None };
    Ok(Criterion {
        at_operator: at,
        parents,
        children,
        method: CriterionMethod::Raw(raw),
        indirect,
    })
}

fn depth(text: &str) -> Depth {
    text.parse().ok()
}

/// Parses the words of `--select` or `--exclude`. A space is a union, a comma an intersection.
pub(crate) fn parse_cli(
    words: &[String],
    indirect: IndirectSelection,
) -> Result<SelectorExpr<Unresolved>, CriterionError> {
    let mut union = Vec::new();
    for word in words.iter().flat_map(|w| w.split_whitespace()) {
        let parts: Result<Vec<_>, _> = word
            .split(',')
            .filter(|p| !p.is_empty())
            .map(|p| parse_criterion(p, indirect).map(SelectorExpr::Criterion))
            .collect();
        let mut parts = parts?;
        union.push(match parts.len() {
            1 => parts.remove(0),
            _ => SelectorExpr::Intersection(parts, indirect),
        });
    }
    Ok(SelectorExpr::Union(union, indirect))
}

fn depth_text(depth: Depth) -> String {
    depth.map(|n| n.to_string()).unwrap_or_default()
}

impl fmt::Display for Criterion<Unresolved> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_operator {
            f.write_str("@")?;
        }
        if let Some(d) = &self.parents {
            write!(f, "{}+", depth_text(*d))?;
        }
        let CriterionMethod::Raw(raw) = &self.method else { return Ok(()) };
        if let Some(method) = &raw.method {
            write!(f, "{}:", [std::slice::from_ref(method), &raw.args].concat().join("."))?;
        }
        f.write_str(&raw.value)?;
        if let Some(d) = &self.children {
            write!(f, "+{}", depth_text(*d))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn operators() {
        let c = parse_criterion("2+config.meta.x:y+3", IndirectSelection::Eager).unwrap();
        assert_eq!((c.parents, c.children), (Some(Some(2)), Some(Some(3))));
        let CriterionMethod::Raw(raw) = &c.method else { panic!() };
        assert_eq!(
            (raw.method.as_deref(), raw.args.join("."), raw.value.as_str()),
            (Some("config"), "meta.x".into(), "y")
        );
        assert!(parse_criterion("@x+", IndirectSelection::Eager).is_err());
        assert!(parse_criterion("+", IndirectSelection::Eager).is_err());
        assert!(parse_criterion("tag:", IndirectSelection::Eager).is_err());
    }

    proptest! {
        /// Formatting a criterion and parsing it again returns the same criterion.
        #[test]
        fn printing_round_trips(
            at in any::<bool>(),
            parents in proptest::option::of(proptest::option::of(0usize..20)),
            children in proptest::option::of(proptest::option::of(0usize..20)),
            method in proptest::option::of("[a-z_]{1,8}"),
            value in "[a-z_*][a-z_.*/]{0,10}",
        ) {
            let raw = RawMethod { method, args: Vec::new(), value, span: None };
            let c = Criterion::<Unresolved> {
                at_operator: at, parents, children: if at { None } else { children }, method: CriterionMethod::Raw(raw), indirect: IndirectSelection::Eager,
            };
            prop_assert_eq!(parse_criterion(&c.to_string(), IndirectSelection::Eager), Ok(c));
        }
    }
}
