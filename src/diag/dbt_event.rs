//! The names that dbt gives to its warnings, and to results that may be warnings.
//!
//! In: nothing. Out: for each event its name, as `--warn-error-options` and log lines have it, and
//! its code, as log lines have it. Must not know: who warns.
//!
//! Source: the events of dbt-core 1.11.16, dbt-common and dbt-adapters whose level is `warn` or
//! depends on the result.

use serde::{Deserialize, Serialize};

macro_rules! dbt_events {
    ($($event:ident $code:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum DbtEvent {
            $($event,)*
        }

        impl DbtEvent {
            pub(crate) const ALL: &[DbtEvent] = &[$(DbtEvent::$event,)*];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(DbtEvent::$event => stringify!($event),)*
                }
            }

            pub(crate) fn code(self) -> &'static str {
                match self {
                    $(DbtEvent::$event => $code,)*
                }
            }
        }
    };
}

dbt_events! {
    BehaviorChangeEvent "D000";
    PackageRedirectDeprecation "D001";
    PackageInstallPathDeprecation "D002";
    ConfigSourcePathDeprecation "D003";
    ConfigDataPathDeprecation "D004";
    AdapterDeprecationWarning "D005";
    MetricAttributesRenamed "D006";
    ExposureNameDeprecation "D007";
    InternalDeprecation "D008";
    EnvironmentVariableRenamed "D009";
    ConfigLogPathDeprecation "D010";
    ConfigTargetPathDeprecation "D011";
    TestsConfigDeprecation "D012";
    CollectFreshnessReturnSignature "D012";
    ProjectFlagsMovedDeprecation "D013";
    SpacesInResourceNameDeprecation "D014";
    ResourceNamesWithSpacesDeprecation "D015";
    PackageMaterializationOverrideDeprecation "D016";
    SourceFreshnessProjectHooksNotRun "D017";
    MFTimespineWithoutYamlConfigurationDeprecation "D018";
    MFCumulativeTypeParamsDeprecation "D019";
    MicrobatchMacroOutsideOfBatchesDeprecation "D020";
    GenericJSONSchemaValidationDeprecation "D022";
    UnexpectedJinjaBlockDeprecation "D023";
    DuplicateYAMLKeysDeprecation "D024";
    CustomTopLevelKeyDeprecation "D025";
    CustomKeyInConfigDeprecation "D026";
    CustomKeyInObjectDeprecation "D027";
    DeprecationsSummary "D028";
    CustomOutputPathInSourceFreshnessDeprecation "D029";
    PropertyMovedToConfigDeprecation "D030";
    WEOIncludeExcludeDeprecation "D031";
    ModelParamUsageDeprecation "D032";
    ModulesItertoolsUsageDeprecation "D034";
    SourceOverrideDeprecation "D035";
    EnvironmentVariableNamespaceDeprecation "D036";
    MissingPlusPrefixDeprecation "D037";
    ArgumentsPropertyInGenericTestDeprecation "D038";
    MissingArgumentsPropertyInGenericTestDeprecation "D039";
    DuplicateNameDistinctNodeTypesDeprecation "D040";
    GetMetaKeyWarning "D041";
    AdapterEventWarning "E003";
    CatalogGenerationError "E040";
    ConstraintNotEnforced "E048";
    ConstraintNotSupported "E049";
    InvalidValueForField "I008";
    ValidationWarning "I009";
    UnusedResourceConfigPath "I051";
    SeedIncreased "I052";
    SeedExceedsLimitSamePath "I053";
    SeedExceedsLimitAndPathChanged "I054";
    SeedExceedsLimitChecksumChanged "I055";
    UnusedTables "I056";
    WrongResourceSchemaFile "I057";
    NoNodeForYamlKey "I058";
    MacroNotFoundForPatch "I059";
    NodeNotFoundOrDisabled "I060";
    JinjaLogWarning "I061";
    DeprecatedModel "I065";
    UpcomingReferenceDeprecation "I066";
    DeprecatedReference "I067";
    UnsupportedConstraintMaterialization "I068";
    SemanticValidationFailure "I070";
    UnversionedBreakingChange "I071";
    WarnStateTargetEqual "I072";
    FreshnessConfigProblem "I073";
    MicrobatchModelNoEventTimeInputs "I074";
    InvalidConcurrentBatchesConfig "I075";
    InvalidMacroAnnotation "I076";
    PackageNodeDependsOnRootProjectNode "I077";
    DepsUnpinned "M029";
    NoNodesForSelectionCriteria "M030";
    DepsScrubbedPackageName "M035";
    LogTestResult "Q007";
    LogNodeResult "Q008";
    LogModelResult "Q012";
    LogSnapshotResult "Q015";
    LogSeedResult "Q016";
    LogFreshnessResult "Q018";
    NothingToDo "Q035";
    NoNodesSelected "Q038";
    SnapshotTimestampWarning "Q043";
    LogBatchResult "Q046";
    LogFunctionResult "Q047";
    RunResultWarning "Z021";
    RunResultWarningMessage "Z046";
}

impl DbtEvent {
    /// Whether `Deprecations` in the options of warnings stands for it, too.
    pub(crate) fn is_deprecation(self) -> bool {
        self.code().starts_with('D')
    }

    pub(crate) fn from_name(name: &str) -> Option<DbtEvent> {
        DbtEvent::ALL.iter().copied().find(|event| event.name() == name)
    }
}
