//! Turns Google's error responses into advice.

use crate::sink::SinkError;
use google_sheets4::Error;
use google_sheets4::yup_oauth2 as oauth2;
use serde_json::Value as Json;

/// The failure of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SheetFailure {
    pub(super) error: SinkError,
    /// Whether the request may have been applied, although no response confirms it.
    pub(super) ambiguous: bool,
}

impl SheetFailure {
    fn of(message: impl Into<String>, help: impl Into<String>) -> SheetFailure {
        SheetFailure {
            error: SinkError { message: message.into(), help: Some(help.into()), transient: false },
            ambiguous: false,
        }
    }

    /// The response was lost, or never came.
    pub(super) fn lost(what: impl std::fmt::Display) -> SheetFailure {
        let mut failure =
            SheetFailure::of(format!("Google Sheets did not answer: {what}"), "try again later");
        failure.error.transient = true;
        failure.ambiguous = true;
        failure
    }
}

/// The spreadsheet and the account, for messages.
pub(super) struct RequestSubject<'a> {
    pub(super) spreadsheet: &'a str,
    pub(super) account: &'a str,
}

pub(super) fn classify_error(
    e: Error,
    status: Option<u16>,
    subject: &RequestSubject<'_>,
) -> SheetFailure {
    match e {
        Error::BadRequest(json) => {
            let code = json
                .pointer("/error/code")
                .and_then(Json::as_u64)
                .and_then(|c| u16::try_from(c).ok());
            answer(status.or(code).unwrap_or_default(), &json, subject)
        }
        Error::Failure(_) => answer(status.unwrap_or_default(), &Json::Null, subject),
        Error::MissingToken(e) => token(e.as_ref(), subject),
        // The status was good, but the body is not JSON or is incomplete.
        Error::JsonDecodeError(..) => SheetFailure::lost("its answer broke off or was no JSON"),
        Error::HttpError(e) => SheetFailure::lost(chain(&e)),
        other => SheetFailure::lost(other),
    }
}

/// An error and its causes in one line.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(&format!(": {e}"));
        source = e.source();
    }
    text
}

fn answer(status: u16, json: &Json, subject: &RequestSubject<'_>) -> SheetFailure {
    let RequestSubject { spreadsheet, account } = subject;
    let said = json.pointer("/error/message").and_then(Json::as_str).unwrap_or("no reason given");
    let word = json.pointer("/error/status").and_then(Json::as_str).unwrap_or_default();
    let details = json.pointer("/error/details").and_then(Json::as_array).into_iter().flatten();
    let old = json.pointer("/error/errors").and_then(Json::as_array).into_iter().flatten();
    let reasons: Vec<&str> = details.chain(old).filter_map(|d| d.get("reason")?.as_str()).collect();
    let has = |names: &[&str]| reasons.iter().any(|r| names.contains(r));
    let mut failure = match status {
        429 => quota(),
        403 if word == "RESOURCE_EXHAUSTED"
            || has(&["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"]) =>
        {
            quota()
        }
        403 if has(&["SERVICE_DISABLED", "accessNotConfigured"]) => SheetFailure::of(
            format!("the Google Sheets API is disabled in the project of the credentials: {said}"),
            "enable it in the Google Cloud console (APIs & Services, Google Sheets API) and wait some minutes",
        ),
        403 if has(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"]) => {
            SheetFailure::of(
                format!("the credentials may not be used for Google Sheets: {said}"),
                "the token needs the scope https://www.googleapis.com/auth/spreadsheets",
            )
        }
        403 => SheetFailure::of(
            format!("the spreadsheet {spreadsheet} is not shared with {account}: {said}"),
            format!("open the spreadsheet, choose Share, and add {account} as an editor"),
        ),
        401 => SheetFailure::of(
            format!("Google does not accept the credentials of {account}: {said}"),
            "make a new key or token; keys can be deleted, tokens end after an hour",
        ),
        404 => SheetFailure::of(
            format!("there is no spreadsheet with the id {spreadsheet}"),
            "take the part between /d/ and /edit of its address in the browser",
        ),
        400 if said.contains("not supported for this document") => SheetFailure::of(
            format!("{spreadsheet} is no Google spreadsheet, perhaps an Excel file: {said}"),
            "save it as Google Sheets (File menu) and use the id of the new one",
        ),
        400..=499 if status != 408 => SheetFailure::of(
            format!("Google Sheets refused the request ({status}): {said}"),
            "the sheet is as it was; if its tabs were changed by hand at the same time, try again",
        ),
        _ => {
            let mut failure = SheetFailure::of(
                format!("Google Sheets has trouble ({status}): {said}"),
                "try again later",
            );
            failure.ambiguous = true;
            failure
        }
    };
    failure.error.transient = failure.ambiguous || failure.error.transient;
    failure
}

fn quota() -> SheetFailure {
    let mut failure = SheetFailure::of(
        "the quota of Google Sheets is used up (60 writes a minute for each user)",
        "try again in some minutes, run fewer exports at once, or ask Google for a higher quota",
    );
    failure.error.transient = true;
    failure
}

fn token(
    e: &(dyn std::error::Error + Send + Sync + 'static),
    subject: &RequestSubject<'_>,
) -> SheetFailure {
    let said = chain(e);
    let refused = matches!(
        e.downcast_ref::<oauth2::Error>(),
        Some(
            oauth2::Error::AuthError(_)
                | oauth2::Error::UserError(_)
                | oauth2::Error::CredentialSourceError(_)
        )
    );
    if refused {
        return SheetFailure::of(
            format!("no token for {}: {said}", subject.account),
            "make a new key: this one was deleted, is for another project, or the clock of this machine is wrong",
        );
    }
    // The request was never sent to the spreadsheet, so the failure is not ambiguous.
    let mut failure = SheetFailure::lost(format!("no token for {}: {said}", subject.account));
    failure.ambiguous = false;
    failure.error.help = Some(
        "without a network or outside Google's machines, set GOOGLE_APPLICATION_CREDENTIALS to a key file".to_owned(),
    );
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SUBJECT: RequestSubject<'static> =
        RequestSubject { spreadsheet: "abc", account: "robot@x.iam.gserviceaccount.com" };

    fn of(status: u16, json: Json) -> SheetFailure {
        classify_error(Error::BadRequest(json), Some(status), &SUBJECT)
    }

    #[test]
    fn answers_say_what_to_do() {
        let denied =
            of(403, json!({ "error": { "status": "PERMISSION_DENIED", "message": "no" } }));
        assert!(
            denied.error.help.unwrap().contains("add robot@x.iam.gserviceaccount.com as an editor")
        );
        let disabled =
            of(403, json!({ "error": { "details": [{ "reason": "SERVICE_DISABLED" }] } }));
        assert!(disabled.error.message.contains("disabled"));
        assert!(of(404, json!({})).error.message.contains("abc"));
        let quota = of(429, json!({}));
        assert!(quota.error.transient && !quota.ambiguous);
        let trouble = of(503, json!({}));
        assert!(trouble.error.transient && trouble.ambiguous);
        assert!(!of(400, json!({})).error.transient);
    }
}
