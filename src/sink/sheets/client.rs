//! Sends requests to the API: limits their rate and time, and retries if that can help.

use super::auth::{find_account, read_variable};
use super::errors::{RequestSubject, SheetFailure, classify_error};
use crate::config::SheetTarget;
use crate::sink::{SinkError, SinkJob};
use crate::system::System;
use google_sheets4::api::{BatchUpdateSpreadsheetRequest, Request, Scope, Spreadsheet};
use google_sheets4::common::{Delegate, Response, Retry};
use google_sheets4::hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use google_sheets4::hyper_util::client::legacy::connect::HttpConnector;
use google_sheets4::hyper_util::{client::legacy, rt::TokioExecutor};
use google_sheets4::{Sheets, common};
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// How often a wait checks whether the user has interrupted the run.
const TICK: Duration = Duration::from_millis(200);

/// The maximum wait between two attempts, unless the response asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// The fields of a spreadsheet that are read: its tabs with their sizes, and our notes.
const FIELDS: &str = "properties.title,sheets(properties(sheetId,title,hidden,gridProperties(rowCount,columnCount)),\
                      developerMetadata(metadataId,metadataKey,metadataValue))";

/// A note on a tab, stored as developer metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SheetNote {
    pub(super) id: i32,
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tab {
    pub(super) id: i32,
    pub(super) title: String,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) notes: Vec<SheetNote>,
}

/// A spreadsheet without its cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpreadsheetState {
    pub(super) title: String,
    pub(super) tabs: Vec<Tab>,
}

/// The times of the writes of the last minute.
#[derive(Debug, Default)]
pub(crate) struct RequestPace(Mutex<VecDeque<Instant>>);

struct Settings {
    timeout: Duration,
    backoff: Duration,
    retries: u32,
    writes_a_minute: usize,
}

impl Settings {
    fn read(system: &dyn System) -> Result<Settings, SinkError> {
        let timeout = read_number(system, "STRATA_SHEETS_TIMEOUT", 60.0)?;
        let backoff = read_number(system, "STRATA_SHEETS_BACKOFF", 1.0)?;
        let retries = read_number(system, "STRATA_SHEETS_RETRIES", 6.0)?;
        let writes = read_number(system, "STRATA_SHEETS_WRITES_PER_MINUTE", 60.0)?;
        Ok(Settings {
            timeout: Duration::try_from_secs_f64(timeout).unwrap_or(MINUTE),
            backoff: Duration::try_from_secs_f64(backoff).unwrap_or(MINUTE),
            retries: retries as u32,
            writes_a_minute: (writes as usize).max(1),
        })
    }
}

/// An environment variable that holds a number of at least 0.
fn read_number(system: &dyn System, name: &str, default: f64) -> Result<f64, SinkError> {
    let Some(text) = read_variable(system, name) else { return Ok(default) };
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(SinkError::new(format!("{name} is a number, not `{text}`"))),
    }
}

pub(super) struct Client<'a> {
    hub: Sheets<HttpsConnector<HttpConnector>>,
    spreadsheet: &'a str,
    account: String,
    settings: Settings,
    pace: &'a RequestPace,
    sent: std::sync::atomic::AtomicUsize,
    system: &'a dyn System,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// Records what the API's client does not pass on, and turns off its retries: we retry ourselves.
#[derive(Default)]
struct Noted {
    status: Option<u16>,
    retry_after: Option<String>,
}

impl Delegate for Noted {
    fn http_failure(&mut self, response: &Response, _: Option<&Json>) -> Retry {
        self.status = Some(response.status().as_u16());
        let header = response.headers().get("retry-after").and_then(|v| v.to_str().ok());
        self.retry_after = header.map(str::to_owned);
        Retry::Abort
    }
}

impl<'a> Client<'a> {
    pub(super) async fn connect(
        target: &'a SheetTarget,
        job: &'a SinkJob<'_>,
    ) -> Result<Client<'a>, SinkError> {
        let settings = Settings::read(job.system)?;
        let account = find_account(target, job.system, settings.timeout).await?;
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| {
                SinkError::new(format!("the certificates of this machine cannot be read: {e}"))
            })?
            .https_or_http()
            .enable_http1()
            .build();
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        // The hub's constructor accepts one type of credentials only; ours is known at run time.
        let mut hub = Sheets::new(client, common::NoToken);
        hub.auth = account.tokens;
        hub.user_agent(format!("strata/{}", crate::VERSION));
        if let Some(url) = read_variable(job.system, "STRATA_SHEETS_URL") {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if host.is_none_or(|h| {
                h.is_empty() || h.starts_with('/') || h.contains(char::is_whitespace)
            }) {
                return Err(SinkError::new(format!(
                    "STRATA_SHEETS_URL is an address such as https://..., not `{url}`"
                )));
            }
            hub.base_url(format!("{}/", url.trim_end_matches('/')));
        }
        Ok(Client {
            hub,
            spreadsheet: &target.spreadsheet,
            account: account.name,
            settings,
            pace: job.pace,
            sent: Default::default(),
            system: job.system,
            is_stopped: job.is_stopped,
        })
    }

    /// The number of writes that were sent.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) async fn book(&self) -> Result<SpreadsheetState, SinkError> {
        self.again(|| self.try_book()).await
    }

    async fn try_book(&self) -> Result<SpreadsheetState, Failed> {
        let mut noted = Noted::default();
        let call = self
            .hub
            .spreadsheets()
            .get(self.spreadsheet)
            .param("fields", FIELDS)
            .add_scope(Scope::Spreadsheet);
        let answer = self.timed(call.delegate(&mut noted).doit()).await;
        self.judged(answer, noted).map(|(_, spreadsheet)| book(spreadsheet))
    }

    /// The values of some columns, from the top; dates are serial numbers.
    pub(super) async fn columns(&self, ranges: &[String]) -> Result<Vec<Vec<Json>>, SinkError> {
        let mut all = Vec::with_capacity(ranges.len());
        // The ranges are part of the URL, whose length is limited.
        for ranges in ranges.chunks(50) {
            all.extend(self.again(|| self.try_columns(ranges)).await?);
        }
        Ok(all)
    }

    async fn try_columns(&self, ranges: &[String]) -> Result<Vec<Vec<Json>>, Failed> {
        let mut noted = Noted::default();
        let mut call = self
            .hub
            .spreadsheets()
            .values_batch_get(self.spreadsheet)
            .add_scope(Scope::Spreadsheet);
        for range in ranges {
            call = call.add_ranges(range);
        }
        let call = call
            .major_dimension("COLUMNS")
            .value_render_option("UNFORMATTED_VALUE")
            .date_time_render_option("SERIAL_NUMBER");
        let answer = self.timed(call.delegate(&mut noted).doit()).await;
        let (_, answer) = self.judged(answer, noted)?;
        let ranges = answer.value_ranges.unwrap_or_default().into_iter();
        Ok(ranges
            .map(|r| r.values.unwrap_or_default().into_iter().next().unwrap_or_default())
            .collect())
    }

    /// Sends a batch, of which all requests are applied or none. If the response is lost, `landed`
    /// decides from the spreadsheet whether the batch was applied; without it, the batch may be
    /// sent twice.
    pub(super) async fn update(
        &self,
        make: &dyn Fn() -> Vec<Request>,
        landed: Option<&dyn Fn(&SpreadsheetState) -> bool>,
    ) -> Result<(), SinkError> {
        let mut failures = 0;
        loop {
            self.pace().await?;
            let mut noted = Noted::default();
            let request =
                BatchUpdateSpreadsheetRequest { requests: Some(make()), ..Default::default() };
            let call = self
                .hub
                .spreadsheets()
                .batch_update(request, self.spreadsheet)
                .add_scope(Scope::Spreadsheet);
            self.sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let answer = self.timed(call.delegate(&mut noted).doit()).await;
            let Err(Failed { failure, retry_after }) = self.judged(answer, noted) else {
                return Ok(());
            };
            let last = !failure.error.transient || failures == self.settings.retries;
            if !last {
                self.wait(failures, retry_after).await?;
            }
            if failure.ambiguous
                && let Some(landed) = landed
            {
                match self.book().await {
                    Ok(book) if landed(&book) => return Ok(()),
                    Ok(_) => {}
                    // Whether the batch was applied is unknown, so nothing more is sent.
                    Err(e) => return Err(e),
                }
            }
            if last {
                return Err(failure.error);
            }
            failures += 1;
        }
    }

    /// Repeats a read until it succeeds or a retry cannot help.
    async fn again<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, SinkError> {
        let mut failures = 0;
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(e) if !e.failure.error.transient || failures == self.settings.retries => {
                    return Err(e.failure.error);
                }
                Err(e) => self.wait(failures, e.retry_after).await?,
            }
            failures += 1;
        }
    }

    /// Waits for a response up to the time limit, or until the user interrupts the run.
    async fn timed<T>(
        &self,
        call: impl Future<Output = common::Result<T>>,
    ) -> Result<common::Result<T>, SinkError> {
        let end = Instant::now() + self.settings.timeout;
        tokio::pin!(call);
        loop {
            match tokio::time::timeout(TICK.min(end - Instant::now()), &mut call).await {
                Ok(answer) => return Ok(answer),
                Err(_) if (self.is_stopped)() => return Err(interrupted()),
                Err(_) if Instant::now() >= end => {
                    let seconds = self.settings.timeout.as_secs_f64();
                    return Err(SheetFailure::lost(format!("no answer within {seconds} s")).error);
                }
                Err(_) => {}
            }
        }
    }

    fn judged<T>(
        &self,
        answer: Result<common::Result<T>, SinkError>,
        noted: Noted,
    ) -> Result<T, Failed> {
        let subject = RequestSubject { spreadsheet: self.spreadsheet, account: &self.account };
        let failure = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(e)) => classify_error(e, noted.status, &subject),
            // The request timed out or was interrupted; only a timeout is transient.
            Err(error) => SheetFailure { ambiguous: error.transient, error },
        };
        Err(Failed { failure, retry_after: noted.retry_after.and_then(|text| self.until(&text)) })
    }

    /// Parses `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
    fn until(&self, text: &str) -> Option<Duration> {
        if let Ok(seconds) = text.trim().parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(at.duration_since(self.system.now())).ok()
    }

    /// Waits until another write is within the limit per minute.
    async fn pace(&self) -> Result<(), SinkError> {
        loop {
            let now = Instant::now();
            let free_at = {
                let mut writes = self.pace.0.lock().unwrap_or_else(PoisonError::into_inner);
                while writes.front().is_some_and(|w| now.duration_since(*w) >= MINUTE) {
                    writes.pop_front();
                }
                if writes.len() < self.settings.writes_a_minute {
                    writes.push_back(now);
                    return Ok(());
                }
                writes.front().map_or(now, |w| *w + MINUTE)
            };
            self.sleep(free_at.duration_since(now)).await?;
        }
    }

    /// Waits longer after each failure, and at least as long as the response asks for.
    async fn wait(&self, failures: u32, retry_after: Option<Duration>) -> Result<(), SinkError> {
        let doubled =
            self.settings.backoff.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST_WAIT);
        // Add up to a quarter, so that several exports do not retry at the same moment.
        let jitter = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX) / 4.0;
        self.sleep(doubled.mul_f64(1.0 + jitter).max(retry_after.unwrap_or_default())).await
    }

    async fn sleep(&self, time: Duration) -> Result<(), SinkError> {
        let end = Instant::now() + time;
        loop {
            if (self.is_stopped)() {
                return Err(interrupted());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(TICK)).await;
        }
    }
}

/// A failed attempt, and the wait that the response asks for.
struct Failed {
    failure: SheetFailure,
    retry_after: Option<Duration>,
}

fn interrupted() -> SinkError {
    SinkError::new("interrupted: the sheet is as it was, or as it should be")
}

fn size_of(count: Option<i32>) -> usize {
    count.and_then(|n| usize::try_from(n).ok()).unwrap_or_default()
}

fn book(spreadsheet: Spreadsheet) -> SpreadsheetState {
    let tabs = spreadsheet.sheets.unwrap_or_default().into_iter().filter_map(|sheet| {
        let properties = sheet.properties?;
        let grid = properties.grid_properties.unwrap_or_default();
        let notes = sheet.developer_metadata.unwrap_or_default().into_iter().filter_map(|m| {
            Some(SheetNote {
                id: m.metadata_id?,
                key: m.metadata_key?,
                value: m.metadata_value.unwrap_or_default(),
            })
        });
        Some(Tab {
            // The first tab has the id 0, which a response may omit.
            id: properties.sheet_id.unwrap_or_default(),
            title: properties.title.unwrap_or_default(),
            rows: size_of(grid.row_count),
            columns: size_of(grid.column_count),
            notes: notes.collect(),
        })
    });
    SpreadsheetState {
        tabs: tabs.collect(),
        title: spreadsheet.properties.and_then(|p| p.title).unwrap_or_default(),
    }
}
