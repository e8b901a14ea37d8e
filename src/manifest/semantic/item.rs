//! Query items: `Dimension('order_id__ordered_at').grain('month')`, as filters, group-bys and order-bys
//! have them.
//!
//! dbt renders such a text with Jinja. Here the calls are read, and other expressions passed over.

use super::words::{DatePart, TimeGrain};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Dimension,
    TimeDimension,
    Entity,
    Metric,
}

impl ItemKind {
    fn parse(name: &str) -> Option<ItemKind> {
        Some(match name {
            "Dimension" => ItemKind::Dimension,
            "TimeDimension" => ItemKind::TimeDimension,
            "Entity" => ItemKind::Entity,
            "Metric" => ItemKind::Metric,
            _ => return None,
        })
    }

    /// The parameters of the call, in their order.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            ItemKind::Dimension => &["name", "entity_path"],
            ItemKind::TimeDimension => &[
                "time_dimension_name",
                "time_granularity_name",
                "entity_path",
                "descending",
                "date_part_name",
            ],
            ItemKind::Entity => &["entity_name", "entity_path"],
            ItemKind::Metric => &["metric_name", "group_by"],
        }
    }

    fn allows(self, method: &str, in_order_by: bool) -> bool {
        match method {
            "grain" | "date_part" => self == ItemKind::Dimension,
            _ => self == ItemKind::Dimension || in_order_by,
        }
    }
}

/// A dimension, an entity or a metric, with how it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryItem {
    pub(crate) kind: ItemKind,
    pub(crate) name: String,
    pub(crate) entity_path: Vec<String>,
    pub(crate) grain: Option<String>,
    pub(crate) date_part: Option<DatePart>,
    /// What a metric in a filter is grouped by.
    pub(crate) group_by: Vec<String>,
    pub(crate) is_descending: Option<bool>,
}

/// What is wrong with the text of an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ItemProblem {
    #[error("the expression is not closed")]
    NotClosed,
    #[error("`{0}` is not known here: only Dimension, TimeDimension, Entity and Metric are")]
    UnknownName(String),
    #[error("the arguments of `{0}` cannot be read")]
    Arguments(String),
    #[error("`{method}` cannot be used with `{call}` here")]
    Method { method: String, call: &'static str },
    #[error("`{0}` is no part of a date: {all}", all = DatePart::WORDS.join(", "))]
    DatePart(String),
    #[error("a metric has no entity before its name: `{0}`")]
    MetricPath(String),
    #[error("`{0}` is one call of Dimension, TimeDimension, Entity or Metric")]
    NotOne(String),
    #[error("`{0}` should be of the form `entity__dimension`")]
    NotDunder(String),
    #[error("`{0}` is an entity, which has no grain")]
    EntityGrain(String),
    #[error("`{name}` names one grain, `{grain}` is another")]
    TwoGrains { name: String, grain: String },
    #[error("a metric in a filter needs `group_by`, the entities by which it is joined")]
    NoGroupBy,
}

/// The items of a filter, each once.
pub(crate) fn parse_filter(text: &str) -> Result<Vec<QueryItem>, ItemProblem> {
    let mut items = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let mut reader = Reader { rest: &rest[at + 2..], in_order_by: false };
        if let Some(item) = reader.expression()?
            && !items.contains(&item)
        {
            items.push(item);
        }
        rest = reader.skip_to_end()?;
    }
    Ok(items)
}

/// The one item that a text is.
pub(crate) fn parse_item(text: &str, in_order_by: bool) -> Result<QueryItem, ItemProblem> {
    let mut reader = Reader { rest: text, in_order_by };
    let item = reader.expression()?;
    item.filter(|_| reader.rest.trim().is_empty())
        .ok_or_else(|| ItemProblem::NotOne(text.to_owned()))
}

enum Argument {
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
    Nothing,
}

struct Reader<'a> {
    rest: &'a str,
    in_order_by: bool,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start().trim_start_matches('-').trim_start();
    }

    fn eat(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let mark = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let inner = &self.rest[1..];
        let end = inner.find(mark)?;
        self.rest = &inner[end + 1..];
        Some(inner[..end].to_owned())
    }

    fn argument(&mut self) -> Option<Argument> {
        if let Some(text) = self.text() {
            return Some(Argument::Text(text));
        }
        for (open, close) in [("[", "]"), ("(", ")")] {
            if !self.eat(open) {
                continue;
            }
            let mut texts = Vec::new();
            while !self.eat(close) {
                texts.push(self.text()?);
                if !self.eat(",") && !self.rest.trim_start().starts_with(close) {
                    return None;
                }
            }
            return Some(Argument::Texts(texts));
        }
        match self.word() {
            "True" | "true" => Some(Argument::Flag(true)),
            "False" | "false" => Some(Argument::Flag(false)),
            "None" | "none" => Some(Argument::Nothing),
            _ => None,
        }
    }

    /// The arguments of a call, by their parameters.
    fn arguments(
        &mut self,
        parameters: &'static [&'static str],
    ) -> Option<Vec<(&'static str, Argument)>> {
        let mut arguments: Vec<(&'static str, Argument)> = Vec::new();
        while !self.eat(")") {
            let before = self.rest;
            let word = self.word();
            let named = !word.is_empty() && self.eat("=");
            let parameter = if named {
                parameters.iter().find(|parameter| **parameter == word)
            } else {
                self.rest = before;
                parameters.get(arguments.len())
            };
            let parameter = parameter.filter(|p| arguments.iter().all(|(other, _)| other != *p))?;
            arguments.push((*parameter, self.argument()?));
            if !self.eat(",") && !self.rest.trim_start().starts_with(')') {
                return None;
            }
        }
        let is_first_given = arguments.iter().any(|(parameter, _)| *parameter == parameters[0]);
        is_first_given.then_some(arguments)
    }

    /// A call with its methods; `None` for an expression of another kind.
    fn expression(&mut self) -> Result<Option<QueryItem>, ItemProblem> {
        self.blank();
        if self.rest.starts_with(['\'', '"']) {
            return match self.text() {
                Some(_) => Ok(None),
                None => Err(ItemProblem::NotClosed),
            };
        }
        let name = self.word();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let Some(kind) = ItemKind::parse(name) else {
            return Err(ItemProblem::UnknownName(name.to_owned()));
        };
        let arguments = self.eat("(").then(|| self.arguments(kind.parameters())).flatten();
        let arguments = arguments.ok_or_else(|| ItemProblem::Arguments(name.to_owned()))?;
        let mut item = QueryItem {
            kind,
            name: String::new(),
            entity_path: Vec::new(),
            grain: None,
            date_part: None,
            group_by: Vec::new(),
            is_descending: None,
        };
        for (parameter, argument) in arguments {
            item.set(parameter, argument)?;
        }
        while self.eat(".") {
            let method = self.word().to_owned();
            let parameter: &'static [&'static str] = match method.as_str() {
                "grain" => &["time_granularity"],
                "date_part" => &["date_part_name"],
                "descending" => &["_is_descending"],
                _ => return Err(ItemProblem::UnknownName(method)),
            };
            let arguments = self.eat("(").then(|| self.arguments(parameter)).flatten();
            let arguments = arguments.ok_or_else(|| ItemProblem::Arguments(method.clone()))?;
            if !kind.allows(&method, self.in_order_by) {
                return Err(ItemProblem::Method { method, call: kind.call() });
            }
            for (parameter, argument) in arguments {
                item.set(parameter, argument)?;
            }
        }
        if kind == ItemKind::Metric && DunderName::split(&item.name, &[]).is_joined() {
            return Err(ItemProblem::MetricPath(item.name));
        }
        Ok(Some(item))
    }

    /// What comes after the end of the expression.
    fn skip_to_end(&mut self) -> Result<&'a str, ItemProblem> {
        let mut open: Option<char> = None;
        let mut before = ' ';
        for (at, c) in self.rest.char_indices() {
            match open {
                Some(mark) if c == mark => open = None,
                None if matches!(c, '\'' | '"') => open = Some(c),
                None if c == '}' && before == '}' => return Ok(&self.rest[at + 1..]),
                _ => {}
            }
            before = if open.is_none() { c } else { ' ' };
        }
        Err(ItemProblem::NotClosed)
    }
}

impl ItemKind {
    pub(crate) fn call(self) -> &'static str {
        match self {
            ItemKind::Dimension => "Dimension",
            ItemKind::TimeDimension => "TimeDimension",
            ItemKind::Entity => "Entity",
            ItemKind::Metric => "Metric",
        }
    }
}

impl QueryItem {
    fn set(&mut self, parameter: &'static str, argument: Argument) -> Result<(), ItemProblem> {
        match (parameter, argument) {
            ("name" | "time_dimension_name" | "entity_name" | "metric_name", Argument::Text(t)) => {
                self.name = t;
            }
            ("entity_path", Argument::Texts(texts)) => self.entity_path = texts,
            ("group_by", Argument::Texts(texts)) => self.group_by = texts,
            ("time_granularity_name" | "time_granularity", Argument::Text(text)) => {
                self.grain = Some(text);
            }
            ("date_part_name", Argument::Text(text)) => match DatePart::parse(&text) {
                Some(part) => self.date_part = Some(part),
                None => return Err(ItemProblem::DatePart(text)),
            },
            ("descending" | "_is_descending", Argument::Flag(flag)) => {
                self.is_descending = Some(flag).filter(|flag| *flag).or(self.is_descending);
            }
            (_, Argument::Nothing) => {}
            _ => return Err(ItemProblem::Arguments(self.kind.call().to_owned())),
        }
        Ok(())
    }

    /// Whether the item is looked at by a grain or a part of the date.
    pub(crate) fn is_time(&self) -> bool {
        match self.kind {
            ItemKind::TimeDimension => true,
            ItemKind::Dimension => self.grain.is_some() || self.date_part.is_some(),
            ItemKind::Entity | ItemKind::Metric => false,
        }
    }

    /// The name of the element, and the grain that is asked for, in lower case.
    pub(crate) fn element(
        &self,
        custom_grains: &[String],
    ) -> Result<(String, Option<String>), ItemProblem> {
        let is_time = self.is_time();
        let name = DunderName::split(&self.name, if is_time { custom_grains } else { &[] });
        match self.kind {
            ItemKind::Metric if self.group_by.is_empty() => return Err(ItemProblem::NoGroupBy),
            ItemKind::Metric => return Ok((self.name.clone(), None)),
            ItemKind::Entity if name.grain.is_some() => {
                return Err(ItemProblem::EntityGrain(self.name.clone()));
            }
            ItemKind::Entity => return Ok((name.element, None)),
            ItemKind::Dimension | ItemKind::TimeDimension => {}
        }
        if name.links.len() != 1 && name.element != METRIC_TIME {
            return Err(ItemProblem::NotDunder(self.name.clone()));
        }
        if let (true, Some(one), Some(other)) = (is_time, &name.grain, &self.grain)
            && one != other
        {
            return Err(ItemProblem::TwoGrains { name: self.name.clone(), grain: other.clone() });
        }
        let grain = name.grain.or_else(|| self.grain.clone()).filter(|_| is_time);
        Ok((name.element, grain.map(|grain| grain.to_lowercase())))
    }
}

/// The time that every metric can be grouped by.
pub(crate) const METRIC_TIME: &str = "metric_time";

/// A name with the entities that lead to it, and a grain: `listing__opened_on__month`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DunderName {
    pub(crate) links: Vec<String>,
    pub(crate) element: String,
    pub(crate) grain: Option<String>,
}

impl DunderName {
    pub(crate) fn split(name: &str, custom_grains: &[String]) -> DunderName {
        let mut parts: Vec<String> = name.split("__").map(str::to_owned).collect();
        let is_grain = parts.len() > 1
            && parts.last().is_some_and(|last| {
                TimeGrain::WORDS.contains(&last.as_str()) || custom_grains.contains(last)
            });
        let grain = if is_grain { parts.pop() } else { None };
        let element = parts.pop().unwrap_or_default();
        DunderName { links: parts, element, grain }
    }

    fn is_joined(&self) -> bool {
        !self.links.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> QueryItem {
        parse_item(text, false).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn calls_are_read_with_their_arguments_and_methods() {
        let plain = item("Dimension('order_id__channel', entity_path=['customer', \"visit\"])");
        assert_eq!(plain.name, "order_id__channel");
        assert_eq!(plain.entity_path, ["customer", "visit"]);
        let time = item("TimeDimension('metric_time', 'month', date_part_name='DOW')");
        assert_eq!(
            (time.grain.as_deref(), time.date_part),
            (Some("month"), Some(DatePart::DayOfWeek))
        );
        let chained = item("Dimension('a__b').grain('week').descending(True)");
        assert_eq!((chained.grain.as_deref(), chained.is_descending), (Some("week"), Some(true)));
        assert_eq!(item("Metric('m', group_by=['a'])").group_by, ["a"]);
        let metric = "Metric('m').descending(True)";
        assert!(parse_item(metric, true).is_ok());
        assert_eq!(
            parse_item(metric, false).unwrap_err().to_string(),
            "`descending` cannot be used with `Metric` here"
        );
    }

    #[test]
    fn a_filter_has_the_calls_of_its_expressions() {
        let names = |text: &str| -> Result<Vec<String>, ItemProblem> {
            Ok(parse_filter(text)?.into_iter().map(|item| item.name).collect())
        };
        let two =
            "{{ Dimension('a__b') }} = '}}' and {{- Entity('c') -}} > {{ Dimension('a__b') }}";
        assert_eq!(names(two).unwrap(), ["a__b", "c"]);
        assert_eq!(names("x = 1 and {{ 'text' }} = 1").unwrap(), Vec::<String>::new());
        for (text, problem) in [
            ("{{ Dimension('a__b'", ItemProblem::Arguments("Dimension".to_owned())),
            ("{{ Dimension('a__b')", ItemProblem::NotClosed),
            ("{{ var('x') }}", ItemProblem::UnknownName("var".to_owned())),
            ("{{ Dimension('a', x=1) }}", ItemProblem::Arguments("Dimension".to_owned())),
            ("{{ Dimension('a').date_part('x') }}", ItemProblem::DatePart("x".to_owned())),
            ("{{ Metric('a__b', ['c']) }}", ItemProblem::MetricPath("a__b".to_owned())),
        ] {
            assert_eq!(names(text).unwrap_err(), problem, "{text}");
        }
    }

    #[test]
    fn names_are_split_into_entities_element_and_grain() {
        let customs = ["fiscal_year".to_owned()];
        let element = |text: &str| item(text).element(&customs).map_err(|p| p.to_string());
        let found =
            |name: &str, grain: Option<&str>| Ok((name.to_owned(), grain.map(str::to_owned)));
        assert_eq!(element("TimeDimension('a__b__month')"), found("b", Some("month")));
        assert_eq!(element("TimeDimension('a__b__fiscal_year')"), found("b", Some("fiscal_year")));
        assert_eq!(
            element("TimeDimension('metric_time', 'DAY')"),
            found("metric_time", Some("day"))
        );
        assert_eq!(element("Dimension('a__b__month')"), found("b", None));
        assert_eq!(element("Entity('a__b')"), found("b", None));
        for (text, problem) in [
            ("Dimension('b')", "`b` should be of the form `entity__dimension`"),
            ("Entity('a__day')", "`a__day` is an entity, which has no grain"),
            (
                "TimeDimension('a__b__month', 'day')",
                "`a__b__month` names one grain, `day` is another",
            ),
            (
                "Metric('m')",
                "a metric in a filter needs `group_by`, the entities by which it is joined",
            ),
        ] {
            assert_eq!(element(text).unwrap_err(), problem);
        }
    }
}
