//! Resolves `--selector` and the default selection to expressions.

use super::Selection;
use super::expr::{
    CriterionError, CriterionMethod, IndirectSelection, SelectorExpr, Unresolved, parse_cli,
    parse_criterion,
};
use crate::config::{SelectorDefinition, YamlCriterion};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::source::Span;

/// The selection if a command line has none.
const DEFAULT: &[&str] = &[
    "fqn:*",
    "source:*",
    "exposure:*",
    "metric:*",
    "semantic_model:*",
    "saved_query:*",
    "unit_test:*",
];

type Found = Result<SelectorExpr<Unresolved>, Box<Diagnostic>>;

/// The expression of a command line.
pub(super) fn build_expression(selection: &Selection, selectors: &[SelectorDefinition]) -> Found {
    if let Some(name) = &selection.selector {
        return definition(name, selectors, selection.indirect);
    }
    if selection.select.is_empty()
        && selection.exclude.is_empty()
        && let Some(default) = selectors.iter().find(|s| s.default)
    {
        return definition(&default.name, selectors, selection.indirect);
    }
    let words: Vec<String> = if selection.select.is_empty() {
        DEFAULT.iter().map(|s| (*s).to_owned()).collect()
    } else {
        selection.select.clone()
    };
    let included = parse_cli(&words, selection.indirect).map_err(criterion_problem)?;
    if selection.exclude.is_empty() {
        return Ok(included);
    }
    let excluded = parse_cli(&selection.exclude, selection.indirect).map_err(criterion_problem)?;
    Ok(SelectorExpr::Difference(Box::new(included), Box::new(excluded)))
}

/// A named selector. It can refer to selectors that are defined before it.
fn definition(name: &str, selectors: &[SelectorDefinition], default: IndirectSelection) -> Found {
    match selectors.iter().position(|s| s.name == name) {
        Some(i) => expr(&selectors[i].definition, &selectors[..i], default),
        None => {
            let near =
                nearest_name(name, selectors.iter().map(|s| s.name.as_str())).map(str::to_owned);
            Err(Box::new(
                Diagnostic::error(
                    Code::Selector,
                    format!("selector `{name}` is not defined (or not before it is used)"),
                )
                .did_you_mean(near),
            ))
        }
    }
}

/// Converts a criterion of a file. `default` is the mode for tests where a criterion has none.
fn expr(
    criterion: &YamlCriterion,
    earlier: &[SelectorDefinition],
    default: IndirectSelection,
) -> Found {
    // As in dbt, unions and intersections in YAML decide on tests eagerly, whatever the modes of
    // their parts.
    let (included, excluded) = match criterion {
        YamlCriterion::Text(text, span) => return placed_criterion(text, default, *span),
        YamlCriterion::Selector(name, span) => {
            return definition(name, earlier, default)
                .map_err(|d| Box::new(d.primary(*span, "used here")));
        }
        YamlCriterion::Method { text, indirect, exclude, span } => {
            let mode = match indirect.as_deref().map(IndirectSelection::parse) {
                None => default,
                Some(Some(mode)) => mode,
                Some(None) => {
                    let d = Diagnostic::error(
                        Code::Selector,
                        "`indirect_selection` is eager, cautious, buildable or empty",
                    );
                    return Err(Box::new(d.primary(*span, "")));
                }
            };
            (placed_criterion(text, mode, *span)?, exclude)
        }
        YamlCriterion::Union(include, exclude) => (
            SelectorExpr::Union(all_of(include, earlier, default)?, IndirectSelection::Eager),
            exclude,
        ),
        YamlCriterion::Intersection(include, exclude) => (
            SelectorExpr::Intersection(
                all_of(include, earlier, default)?,
                IndirectSelection::Eager,
            ),
            exclude,
        ),
    };
    if excluded.is_empty() {
        return Ok(included);
    }
    let excluded =
        SelectorExpr::Union(all_of(excluded, earlier, default)?, IndirectSelection::Eager);
    Ok(SelectorExpr::Difference(Box::new(included), Box::new(excluded)))
}

fn all_of(
    criteria: &[YamlCriterion],
    earlier: &[SelectorDefinition],
    default: IndirectSelection,
) -> Result<Vec<SelectorExpr<Unresolved>>, Box<Diagnostic>> {
    criteria.iter().map(|criterion| expr(criterion, earlier, default)).collect()
}

/// Parses a criterion of a file and sets its span.
fn placed_criterion(text: &str, indirect: IndirectSelection, span: Span) -> Found {
    let mut found = parse_criterion(text, indirect).map_err(|e| {
        Box::new(Diagnostic::error(Code::Selector, e.to_string()).primary(span, ""))
    })?;
    if let CriterionMethod::Raw(raw) = &mut found.method {
        raw.span = Some(span);
    }
    Ok(SelectorExpr::Criterion(found))
}

fn criterion_problem(e: CriterionError) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::Selector, e.to_string()))
}
