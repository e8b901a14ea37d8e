//! Calls a macro at a command's request, outside of any node's text.

use super::node::Compiler;
use crate::context::{
    DatabaseAccess, LogLine, NodeScope, RenderSession, RenderSubject, TransactionControl,
    failure_diagnostic,
};
use crate::diag::Diagnostic;
use crate::engine::{Connection, ExistingRelations};
use crate::jinja::MacroDef;
use crate::source::Span;
use minijinja::value::{Kwargs, Value};
use std::sync::Arc;

pub(crate) struct MacroCall<'a> {
    pub(crate) def: &'a MacroDef,
    /// The package whose macros unqualified names refer to first.
    pub(crate) lookup_package: &'a Arc<str>,
    pub(crate) subject: RenderSubject,
    pub(crate) args: Vec<(&'a str, Value)>,
    /// The span of errors that have no better one.
    pub(crate) span: Span,
    pub(crate) transactions: TransactionControl,
}

/// The macro's result, with the log lines and warnings of the call.
#[derive(Debug)]
pub(crate) struct MacroCallOutcome {
    pub(crate) value: Result<Value, Box<Diagnostic>>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Compiler {
    /// Calls a macro, with a connection if there is one. A transaction that the macro left open is
    /// rolled back.
    pub(crate) fn call(
        &self,
        call: MacroCall<'_>,
        connection: Option<&Connection>,
    ) -> MacroCallOutcome {
        let MacroCall { def, lookup_package: package, subject, args, span, transactions } = call;
        let runtime =
            self.runtime(&Arc::new(self.bindings(false)), &Arc::new(ExistingRelations::Unknown));
        let session = RenderSession::execute(
            &self.context,
            package,
            subject,
            runtime,
            DatabaseAccess::of(connection),
        );
        session.set_transactions(transactions);
        let scope = Arc::new(NodeScope(session.clone()));
        let values = if args.is_empty() {
            Vec::new()
        } else {
            vec![Value::from(args.into_iter().collect::<Kwargs>())]
        };
        let result = self.renderer.call_macro(true, def, &values, package, scope, session.clone());
        session.roll_back();
        let record = session.take_record();
        MacroCallOutcome {
            value: result.map_err(|failure| Box::new(failure_diagnostic(&failure, &session, span))),
            logs: record.logs,
            warnings: crate::parse::warning_diagnostics(record.warnings, span).collect(),
        }
    }
}
