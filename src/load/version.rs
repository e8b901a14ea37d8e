//! `require-dbt-version`: checks whether a project accepts the dbt version that Strata follows.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Reports an error for each requirement that `version` does not meet.
pub(super) fn check_requirements(
    requirements: &[(String, Span)],
    version: &str,
    out: &mut Vec<Diagnostic>,
) {
    let ours = parts(version);
    for (text, span) in requirements {
        for requirement in text.split(',').map(str::trim).filter(|r| !r.is_empty()) {
            if !meets(&ours, requirement) {
                out.push(
                    Diagnostic::error(
                        Code::Version,
                        format!(
                            "the project requires dbt `{requirement}`; this follows dbt {version}"
                        ),
                    )
                    .primary(*span, "required here"),
                );
            }
        }
    }
}

fn parts(text: &str) -> Vec<u64> {
    text.split(['.', '-', 'a', 'b', 'r']).map_while(|p| p.parse().ok()).collect()
}

fn meets(ours: &[u64], requirement: &str) -> bool {
    let number = requirement.trim_start_matches(['=', '<', '>', '!', '~', '^', ' ']);
    let operator = requirement[..requirement.len() - number.len()].trim();
    let theirs = parts(number);
    let width = ours.len().max(theirs.len());
    let order = pad_version(ours, width).cmp(&pad_version(&theirs, width));
    match operator {
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        "<=" => order.is_le(),
        "<" => order.is_lt(),
        "!=" => order.is_ne(),
        _ => order.is_eq(),
    }
}

fn pad_version(version: &[u64], width: usize) -> Vec<u64> {
    (0..width).map(|i| version.get(i).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let ours = parts("1.11.16");
        for (requirement, fits) in [
            (">=1.0.0", true),
            ("<2.0.0", true),
            (">1.11.16", false),
            ("=1.11.16", true),
            ("1.10.0", false),
            ("<1.11", false),
        ] {
            assert_eq!(meets(&ours, requirement), fits, "{requirement}");
        }
    }
}
