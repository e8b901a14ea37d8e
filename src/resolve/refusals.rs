//! What dbt refuses in a node as a whole: configs that do not go together.
//!
//! In: a node with its merged configs. Out: an error for each mistake, at the config. Must not know:
//! other nodes.
//!
//! Source: what dbt 1.11 refuses at parse.

use crate::config::Json;
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::manifest::{Node, NodeKind, ResourceType};
use crate::source::Span;

/// The named colors of CSS Color Module Level 4.
const COLORS: &str = "aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet \
    brown burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan \
    darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred \
    darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue \
    dimgray dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green \
    greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon \
    lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon \
    lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime limegreen linen magenta \
    maroon mediumaquamarine mediumblue mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen \
    mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab \
    orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum \
    powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna \
    silver skyblue slateblue slategray slategrey snow springgreen steelblue tan teal thistle tomato turquoise violet \
    wheat white whitesmoke yellow yellowgreen";

/// Reports what is wrong with a node, if it is enabled.
pub(super) fn check_node(node: &Node, out: &mut Vec<Diagnostic>) {
    if !node.config.enabled() {
        return;
    }
    let found = [wrong_materialization(node), wrong_color(node), wrong_schema_change(node)];
    out.extend(found.into_iter().flatten());
    if has_contract(node) {
        out.extend(wrong_primary_key(node));
        out.extend(wrong_foreign_key(node));
    }
    for key in ["pre-hook", "post-hook"] {
        out.extend(wrong_hook(node, key));
    }
}

fn place(node: &Node, key: &str) -> Span {
    node.config.entry(key).and_then(|entry| entry.span).unwrap_or(node.span)
}

/// Seeds, snapshots and tests have one materialization each.
fn wrong_materialization(node: &Node) -> Option<Diagnostic> {
    let only = match node.resource_type() {
        ResourceType::Seed => "seed",
        ResourceType::Snapshot => "snapshot",
        ResourceType::Test => "test",
        _ => return None,
    };
    let given = node.config.text("materialized").filter(|given| given != only)?;
    let message = format!("`materialized` of the {only} `{}` is {only}, not `{given}`", node.name);
    let d = Diagnostic::error(Code::YamlShape, message).primary(place(node, "materialized"), "");
    Some(d.help("leave it out"))
}

/// The color of a node in documentation is one that browsers know.
fn wrong_color(node: &Node) -> Option<Diagnostic> {
    let docs = node.config.map("docs")?;
    let color = docs.get("node_color")?.as_str().filter(|color| !color.is_empty())?;
    let lower = color.to_lowercase();
    let names = || COLORS.split_ascii_whitespace();
    let is_hex = lower.strip_prefix('#').is_some_and(|digits| {
        matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    });
    if is_hex || names().any(|name| name == lower) {
        return None;
    }
    let message = format!("`node_color` is a color of CSS or like #1f6feb, not `{color}`");
    let d = Diagnostic::error(Code::YamlShape, message).primary(place(node, "docs"), "");
    Some(d.did_you_mean(nearest_name(&lower, names()).map(str::to_owned)))
}

fn has_contract(node: &Node) -> bool {
    node.typed.build().is_some_and(|config| config.has_contract)
}

/// Under a contract an incremental model may not ignore new columns, nor drop any.
fn wrong_schema_change(node: &Node) -> Option<Diagnostic> {
    if !has_contract(node) || node.materialized() != "incremental" {
        return None;
    }
    let given = node.config.text("on_schema_change");
    let given = given.as_deref().unwrap_or("ignore");
    if matches!(given, "append_new_columns" | "fail") {
        return None;
    }
    let message = format!(
        "under a contract `on_schema_change` of the incremental model `{}` is append_new_columns or fail, not `{given}`",
        node.name
    );
    Some(Diagnostic::error(Code::YamlShape, message).primary(place(node, "on_schema_change"), ""))
}

fn is_of_type(constraint: &Json, wanted: &str) -> bool {
    constraint.get("type").and_then(Json::as_str) == Some(wanted)
}

/// The constraints of the model itself, and then those of its columns.
fn constraints(node: &Node) -> (&[Json], impl Iterator<Item = &Json>) {
    let own = match &node.kind {
        NodeKind::Model { constraints, .. } => constraints.as_slice(),
        _ => &[],
    };
    (own, node.columns.iter().flat_map(|column| &column.constraints))
}

/// A table has one primary key; one of several columns belongs to the model.
fn wrong_primary_key(node: &Node) -> Option<Diagnostic> {
    let is_key = |c: &&Json| is_of_type(c, "primary_key");
    let (own, of_columns) = constraints(node);
    let (own, of_columns) = (own.iter().filter(is_key).count(), of_columns.filter(is_key).count());
    let why = match (of_columns, own) {
        (1.., 1..) => "the model has one and a column has one",
        (2.., 0) => "each of several columns has one",
        _ => return None,
    };
    let message = format!("`{}` has more than one primary key: {why}", node.name);
    let d = Diagnostic::error(Code::YamlShape, message).primary(node.span, "");
    Some(d.help("give the model one, with all its `columns`"))
}

/// What a foreign key refers to is known to the graph.
fn wrong_foreign_key(node: &Node) -> Option<Diagnostic> {
    let (own, of_columns) = constraints(node);
    let keys = own.iter().chain(of_columns).filter(|c| is_of_type(c, "foreign_key"));
    let mut targets = keys.filter_map(|c| c.get("to").and_then(Json::as_str));
    let is_reference = |to: &str| to.contains("ref(") || to.contains("source(");
    let wrong = targets.find(|to| !to.is_empty() && !is_reference(to))?;
    let message =
        format!("`to` of a foreign key of `{}` is a ref or a source, not `{wrong}`", node.name);
    let d = Diagnostic::error(Code::YamlShape, message).primary(node.span, "");
    Some(d.help("to: ref('orders')"))
}

/// A hook that is a mapping has SQL.
fn wrong_hook(node: &Node, key: &str) -> Option<Diagnostic> {
    let hooks = node.config.get(key)?.as_array()?;
    hooks.iter().find(|hook| hook.get("sql").is_none_or(Json::is_null))?;
    let message = format!("a `{key}` of `{}` has no `sql`", node.name);
    Some(Diagnostic::error(Code::YamlShape, message).primary(place(node, key), ""))
}
