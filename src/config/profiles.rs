//! Reads a profile in `profiles.yml`. The fields of an output are read by its engine.

use super::{Yaml, YamlMap};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic};
use crate::source::Span;

/// A profile before an output is chosen; its values are not rendered.
#[derive(Clone, Debug)]
pub(crate) struct ProfileOptions {
    pub(crate) target: Option<Yaml>,
    pub(crate) outputs: YamlMap,
    pub(crate) span: Span,
}

/// Finds a profile in the unrendered tree of `profiles.yml`.
pub(crate) fn parse_profile(
    tree: &Yaml,
    name: &str,
    asked_by: Option<Span>,
) -> Checked<Option<ProfileOptions>> {
    let found = tree.as_map().and_then(|m| m.get(name));
    let outputs =
        found.and_then(Yaml::as_map).and_then(|m| m.get("outputs")).and_then(Yaml::as_map);
    let (Some(profile), Some(outputs)) = (found, outputs) else {
        let names: Vec<&str> =
            tree.as_map().into_iter().flat_map(|m| m.iter().map(|(k, _)| &*k.text)).collect();
        let names = names.into_iter().filter(|n| *n != "config").collect::<Vec<_>>();
        let message = match found {
            None => format!("profile `{name}` not found in profiles.yml"),
            Some(_) => format!("profile `{name}` has no `outputs`"),
        };
        // Only the key is shown, because values of a profile may be secret.
        let key = tree.as_map().and_then(|m| m.key(name).or(m.entries.first().map(|(k, _)| k)));
        let place = key.map_or(Span::file(tree.span.file), |k| k.span);
        let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let d = Diagnostic::error(Code::Profile, message)
            .primary(place, "looked for here")
            .note(format!("profiles there: {listed}"));
        let d = match asked_by {
            Some(span) => d.secondary(span, "asked for here"),
            None => d,
        };
        return Checked::new(None, vec![d]);
    };
    let target = profile.as_map().and_then(|m| m.get("target")).cloned();
    let span = tree.as_map().and_then(|m| m.key(name));
    let span = span.map_or(Span::file(tree.span.file), |k| k.span);
    let options = ProfileOptions { target, outputs: outputs.clone(), span };
    Checked::new(Some(options), check_moved_flags(tree))
}

/// A warning of flags in the profiles file, which are the project's now.
fn check_moved_flags(tree: &Yaml) -> Vec<Diagnostic> {
    let key = tree.as_map().and_then(|m| m.key("config"));
    let moved = key.map(|key| {
        let message = "`config` in profiles.yml is out of date";
        let event = DbtEvent::ProjectFlagsMovedDeprecation;
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message).primary(key.span, "");
        d.help("write its flags below `flags:` in the project file, which come first")
    });
    moved.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    #[test]
    fn a_missing_profile_lists_the_others() {
        let tree = parse_yaml(FileId(0), "shop: {outputs: {}}\nconfig: {}").value;
        let checked = parse_profile(&tree, "shpo", None);
        assert_eq!(checked.diagnostics[0].notes, ["profiles there: shop"]);
    }
}
