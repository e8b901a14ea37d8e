//! The words of the semantic layer. As in dbt, their case does not count.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($case:ident $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub(crate) enum $name { $($case),+ }

        impl $name {
            pub(crate) const WORDS: &[&str] = &[$($text),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $($name::$case => $text),+ }
            }

            pub(crate) fn parse(text: &str) -> Option<$name> {
                match text.to_lowercase().as_str() { $($text => Some($name::$case),)+ _ => None }
            }
        }
    )+};
}

words! {
    EntityKind { Foreign "foreign", Natural "natural", Primary "primary", Unique "unique" }

    DimensionKind { Categorical "categorical", Time "time" }

    Aggregation {
        Sum "sum", Min "min", Max "max", CountDistinct "count_distinct", SumBoolean "sum_boolean",
        Average "average", Percentile "percentile", Median "median", Count "count",
    }

    MetricKind {
        Simple "simple", Ratio "ratio", Cumulative "cumulative", Derived "derived",
        Conversion "conversion",
    }

    /// The grains that need no time spine of their own, from the finest to the coarsest.
    TimeGrain {
        Nanosecond "nanosecond", Microsecond "microsecond", Millisecond "millisecond",
        Second "second", Minute "minute", Hour "hour", Day "day", Week "week", Month "month",
        Quarter "quarter", Year "year",
    }

    PeriodAggregation { First "first", Last "last", Average "average" }

    ConversionCalculation { Conversions "conversions", ConversionRate "conversion_rate" }

    ExportedAs { Table "table", View "view" }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    Year,
    Quarter,
    Month,
    Day,
    DayOfWeek,
    DayOfYear,
}

impl DatePart {
    pub(crate) const WORDS: &[&str] = &["year", "quarter", "month", "day", "dow", "doy"];

    pub(crate) fn parse(text: &str) -> Option<DatePart> {
        Some(match text.to_lowercase().as_str() {
            "year" => DatePart::Year,
            "quarter" => DatePart::Quarter,
            "month" => DatePart::Month,
            "day" => DatePart::Day,
            "dow" => DatePart::DayOfWeek,
            "doy" => DatePart::DayOfYear,
            _ => return None,
        })
    }
}
