//! Finds credentials: a plain token, a file of any type that Google's libraries support, or the
//! metadata server of a Google machine. See
//! https://cloud.google.com/docs/authentication/application-default-credentials.

use crate::config::SheetTarget;
use crate::sink::SinkError;
use crate::system::System;
use google_sheets4::common::GetToken;
use google_sheets4::yup_oauth2 as oauth2;
use oauth2::authenticator::ApplicationDefaultCredentialsTypes as Metadata;
use serde_json::Value as Json;
use std::time::Duration;

/// How long to wait for a connection to the metadata server, which is on the local network.
const PROBE: Duration = Duration::from_secs(3);

/// A source of tokens, and the account that a spreadsheet has to be shared with.
pub(super) struct Account {
    pub(super) tokens: Box<dyn GetToken>,
    /// An email address, or a description for messages.
    pub(super) name: String,
}

/// Looks for credentials, in this order: `credentials:` of the export, `GOOGLE_OAUTH_ACCESS_TOKEN`,
/// `GOOGLE_APPLICATION_CREDENTIALS`, the file of `gcloud auth application-default login`, the
/// metadata server.
pub(super) async fn find_account(
    target: &SheetTarget,
    system: &dyn System,
    timeout: Duration,
) -> Result<Account, SinkError> {
    if let Some(path) = &target.credentials {
        return file(system, path, "`credentials` of the export", timeout).await;
    }
    if let Some(token) = read_variable(system, "GOOGLE_OAUTH_ACCESS_TOKEN") {
        return Ok(Account {
            tokens: Box::new(token),
            name: "the account of GOOGLE_OAUTH_ACCESS_TOKEN".to_owned(),
        });
    }
    if let Some(path) = read_variable(system, "GOOGLE_APPLICATION_CREDENTIALS") {
        return file(system, &path, "GOOGLE_APPLICATION_CREDENTIALS", timeout).await;
    }
    let folder = read_variable(system, "CLOUDSDK_CONFIG").map(camino::Utf8PathBuf::from);
    let folder = folder.or_else(|| system.home_dir().map(|h| h.join(".config/gcloud")));
    if let Some(path) =
        folder.map(|f| f.join("application_default_credentials.json")).filter(|p| system.is_file(p))
    {
        return file(system, path.as_str(), "the credentials of gcloud", timeout).await;
    }
    metadata(read_variable(system, "GCE_METADATA_HOST"), timeout).await
}

/// An environment variable; `None` if it is unset or empty.
pub(super) fn read_variable(system: &dyn System, name: &str) -> Option<String> {
    system.env(name).filter(|value| !value.is_empty())
}

async fn metadata(host: Option<String>, timeout: Duration) -> Result<Account, SinkError> {
    let host = host.unwrap_or_else(|| "metadata.google.internal".to_owned());
    // Only Google's machines have this server. Elsewhere no credentials are set up, and waiting
    // would not help.
    let address = if host.contains(':') { host.clone() } else { format!("{host}:80") };
    let there =
        tokio::time::timeout(PROBE.min(timeout), tokio::net::TcpStream::connect(&address)).await;
    if !matches!(there, Ok(Ok(_))) {
        let looked = "credentials of the export, GOOGLE_OAUTH_ACCESS_TOKEN, GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, the \
                      metadata server";
        let e = SinkError::new(format!("there are no credentials of Google: looked at {looked}"));
        return Err(
            e.help("set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account")
        );
    }
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let options = oauth2::ApplicationDefaultCredentialsFlowOpts { metadata_url: Some(url) };
    let builder = match oauth2::ApplicationDefaultCredentialsAuthenticator::builder(options).await {
        Metadata::InstanceMetadata(builder) => builder,
        // The file that the environment names was already looked for.
        Metadata::ServiceAccount(_) => {
            return Err(SinkError::new("the credentials changed while they were read"));
        }
    };
    let tokens = builder
        .with_timeout(timeout)
        .build()
        .await
        .map_err(|e| wrong("the metadata server", &e))?;
    Ok(Account { tokens: Box::new(tokens), name: "the service account of this machine".to_owned() })
}

async fn file(
    system: &dyn System,
    path: &str,
    from: &str,
    timeout: Duration,
) -> Result<Account, SinkError> {
    let path = crate::system::normalize_path(&system.current_dir().join(path));
    let text = system.read(&path).map_err(|e| {
        SinkError::new(format!("{from}: {e}"))
            .help("it is the path of a JSON file with a key of a service account")
    })?;
    let json: Json = serde_json::from_str(&text).map_err(|_| {
        SinkError::new(format!("{from}: {path} is no JSON file with credentials of Google"))
    })?;
    let bad = |e: serde_json::Error| SinkError::new(format!("{from}: {path} lacks something: {e}"));
    let (tokens, name): (Box<dyn GetToken>, String) = match text_at(&json, "type") {
        "service_account" => {
            let key: oauth2::ServiceAccountKey =
                serde_json::from_value(json.clone()).map_err(bad)?;
            let builder = oauth2::ServiceAccountAuthenticator::builder(key).with_timeout(timeout);
            (
                Box::new(builder.build().await.map_err(|e| wrong(from, &e))?),
                text_at(&json, "client_email").to_owned(),
            )
        }
        "authorized_user" => {
            let secret = serde_json::from_value(json.clone()).map_err(bad)?;
            let builder =
                oauth2::AuthorizedUserAuthenticator::builder(secret).with_timeout(timeout);
            (
                Box::new(builder.build().await.map_err(|e| wrong(from, &e))?),
                format!("the user of {path}"),
            )
        }
        "external_account" => {
            let secret = serde_json::from_value(json.clone()).map_err(|e| {
                bad(e).help(
                    "tokens from a file or a URL can be used; those of a program or of AWS cannot",
                )
            })?;
            let builder =
                oauth2::ExternalAccountAuthenticator::builder(secret).with_timeout(timeout);
            let name = impersonated(text_at(&json, "service_account_impersonation_url"));
            (Box::new(builder.build().await.map_err(|e| wrong(from, &e))?), name)
        }
        "impersonated_service_account" => {
            let source = json.get("source_credentials").cloned().unwrap_or(Json::Null);
            if source.get("type").and_then(Json::as_str) != Some("authorized_user") {
                let e = SinkError::new(format!(
                    "{from}: {path} impersonates a service account with other than a user"
                ));
                return Err(
                    e.help("use a key of the service account itself, or `gcloud auth application-default login`")
                );
            }
            let secret = serde_json::from_value(source).map_err(bad)?;
            let email = impersonated(text_at(&json, "service_account_impersonation_url"));
            let builder = oauth2::ServiceAccountImpersonationAuthenticator::builder(secret, &email);
            (
                Box::new(builder.with_timeout(timeout).build().await.map_err(|e| wrong(from, &e))?),
                email,
            )
        }
        "" => {
            return Err(SinkError::new(format!(
                "{from}: {path} has no `type`: it is no file with credentials"
            )));
        }
        other => {
            let e = SinkError::new(format!(
                "{from}: {path} has credentials of type {other}, which cannot be used"
            ));
            return Err(
                e.help("use service_account, authorized_user, external_account or impersonated_service_account")
            );
        }
    };
    Ok(Account { tokens, name })
}

fn text_at<'a>(json: &'a Json, key: &str) -> &'a str {
    json.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// The address in `.../serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken`.
fn impersonated(url: &str) -> String {
    let last = url.rsplit('/').next().unwrap_or_default();
    last.split(':').next().filter(|s| !s.is_empty()).unwrap_or("the federated account").to_owned()
}

fn wrong(from: &str, e: &std::io::Error) -> SinkError {
    SinkError::new(format!("{from}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::impersonated;

    #[test]
    fn addresses_of_impersonated_accounts() {
        let url = "https://iamcredentials.example/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken";
        assert_eq!(impersonated(url), "a@b.iam.gserviceaccount.com");
        assert_eq!(impersonated(""), "the federated account");
    }
}
