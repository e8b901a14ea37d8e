//! Checks that each address in the database or the file system has only one writer.
//!
//! In: the outputs of each node, with their spans. Out: an error for each address that two nodes
//! write, or that another relation has. All outputs are checked here before the first statement
//! runs: relations of the whole project, and exports of the selection.

use crate::diag::{Code, Diagnostic};
use crate::hash::FastMap;
use crate::source::Span;

/// A relation or file that is written.
#[derive(Clone, Debug)]
pub(crate) struct OutputAddress {
    /// The address in a normal form, so that equal texts mean the same place: relations with their
    /// names folded as by the engine, files as absolute paths.
    pub(crate) address: String,
    /// The address as messages show it.
    pub(crate) shown: String,
    /// The unique id of the node that writes it.
    pub(crate) writer: String,
    pub(crate) span: Span,
    pub(crate) role: OutputRole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputRole {
    /// The final relation or file.
    Published,
    /// A temporary relation that is built beside the published one, audited, and then swapped or
    /// dropped.
    Helper,
    /// A relation that is only read. No temporary relation may have its address.
    Read,
}

/// Reports each output whose address an earlier output has.
pub(crate) fn check_addresses(outputs: &[OutputAddress], code: Code) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut published: FastMap<&str, &OutputAddress> = FastMap::default();
    for output in outputs.iter().filter(|o| o.role == OutputRole::Published) {
        match published.get(output.address.as_str()) {
            Some(first) if first.writer != output.writer => {
                out.push(two_writers(first, output, code))
            }
            Some(_) => {}
            None => {
                published.insert(&output.address, output);
            }
        }
    }
    let mut taken = published;
    for output in outputs.iter().filter(|o| o.role == OutputRole::Read) {
        taken.entry(&output.address).or_insert(output);
    }
    for output in outputs.iter().filter(|o| o.role == OutputRole::Helper) {
        if let Some(other) =
            taken.get(output.address.as_str()).filter(|o| o.writer != output.writer)
        {
            let message = format!(
                "`{}` is audited under the name {}, which is taken",
                output.writer, output.shown
            );
            let d = Diagnostic::error(code, message).primary(output.span, "built here");
            let d = d.secondary(other.span, format!("`{}` is {}", other.writer, other.shown));
            out.push(d.help("give one of them another `alias` or `schema`"));
        }
    }
    out
}

fn two_writers(first: &OutputAddress, second: &OutputAddress, code: Code) -> Diagnostic {
    let spelled = if first.shown == second.shown {
        first.shown.clone()
    } else {
        format!("{} ({} and {} are one name here)", first.shown, first.shown, second.shown)
    };
    let message = format!("`{}` and `{}` both write {spelled}", first.writer, second.writer);
    let help = match code {
        Code::DuplicateRelation => "give one of them another `alias` or `schema`",
        _ => "write to another place with one of them",
    };
    Diagnostic::error(code, message)
        .primary(second.span, "again here")
        .secondary(first.span, "first here")
        .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    fn output(address: &str, writer: &str, role: OutputRole) -> OutputAddress {
        let span = Span::new(FileId(0), 0, 1);
        OutputAddress {
            address: address.to_lowercase(),
            shown: address.into(),
            writer: writer.into(),
            span,
            role,
        }
    }

    fn messages(outputs: &[OutputAddress]) -> Vec<String> {
        check_addresses(outputs, Code::DuplicateRelation).into_iter().map(|d| d.message).collect()
    }

    #[test]
    fn an_address_has_one_writer() {
        let (a, b) = (
            output("s.Orders", "model.a", OutputRole::Published),
            output("s.orders", "model.b", OutputRole::Published),
        );
        assert_eq!(
            messages(&[a.clone(), b]),
            [
                "`model.a` and `model.b` both write s.Orders (s.Orders and s.orders are one name here)"
            ]
        );
        // A seed may fill a source, but a temporary relation must not be a source.
        let source = output("s.orders", "source.x", OutputRole::Read);
        assert!(messages(&[a.clone(), source]).is_empty());
        let beside = output("s.orders__dbt_tmp", "model.a", OutputRole::Helper);
        let taken = output("s.orders__dbt_tmp", "source.y", OutputRole::Read);
        assert_eq!(messages(&[a, beside, taken]).len(), 1);
    }
}
