//! Asking for the model of a repository: read-only calls, which not every server has.
//!
//! A server that does not answer such a call, or not to this login, is no failure: the reply says so.
//! What passes by, such as a server in trouble, is one, and so is a refused session.

use bytes::Bytes;

use super::error::{ApiEndpoint, Failure, RequestErrorKind, passes_by};
use super::exchange::{ApiRequest, exchange};
use super::items::segment;
use super::settings::Settings;
use super::verdict::{self, Reply, Verdict};
use crate::http::Method;
use crate::http::header::{CONTENT_TYPE, HeaderValue};
use crate::model::{MetadataReply, MetadataRequest};
use crate::session::Tokens;

/// One of the calls for metadata (seen, vendor).
pub(super) async fn metadata(
    settings: &Settings,
    tokens: &Tokens,
    request: &MetadataRequest,
) -> Result<MetadataReply, Failure> {
    let endpoint = ApiEndpoint::Metadata;
    let Some((path, query)) = place(request) else {
        return Ok(MetadataReply::Unanswered("no path can name it".to_owned()));
    };
    let mut url = settings.url(endpoint);
    let path = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(query);
    let mut headers = settings.signed(endpoint, tokens)?;
    let body = match request {
        MetadataRequest::ValueOptions { repository, attribute } => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = serde_json::json!({ "attributeId": attribute, "repositoryId": repository });
            Some(Bytes::from(body.to_string()))
        }
        _ => None,
    };
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let cookies = &tokens.cookies;
    match exchange(settings, ApiRequest { endpoint, method, url, headers, body, cookies }).await {
        Ok(exchanged) => exchanged.conclude(reply(&exchanged.reply), || settings.redactor(tokens)),
        // It would be so again, however often it is tried.
        Err(error) if matches!(error.kind, RequestErrorKind::TooLarge { .. }) => {
            Ok(MetadataReply::Unanswered("the answer is too large".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The path below the API and the query.
fn place(request: &MetadataRequest) -> Option<(String, Option<&str>)> {
    Some(match request {
        MetadataRequest::Attributes { repository, query } => {
            (format!("repositories/{}/attributes", segment(repository)?), query.as_deref())
        }
        MetadataRequest::Values { repository, attribute } => {
            let (repository, attribute) = (segment(repository)?, segment(attribute)?);
            (format!("repositories/{repository}/attributes/{attribute}/values"), None)
        }
        MetadataRequest::ValueOptions { .. } => ("items/attrValueOptions".to_owned(), None),
        MetadataRequest::Link(id) => (format!("links/{}", segment(id)?), None),
    })
}

/// What an answer means.
fn reply(reply: &Reply) -> Verdict<MetadataReply> {
    let unanswered = |reason: String| Verdict::Answer(MetadataReply::Unanswered(reason));
    match reply.status {
        _ if reply.foreign_redirect.is_some() => {}
        200..=299 | 401 | 403 => {}
        status if passes_by(status) => return Verdict::Failed(RequestErrorKind::Status),
        // The server's opinion of the call, today as tomorrow.
        status => return unanswered(format!("status {status}")),
    }
    if let Err(verdict) = verdict::admitted(reply) {
        return verdict;
    }
    if verdict::is_html(reply) {
        return unanswered("an HTML page".to_owned());
    }
    let begins = reply.body.trim_ascii_start().first().copied();
    match begins {
        Some(b'[') => Verdict::Answer(MetadataReply::Answer(reply.body.clone())),
        // A refusal may stand in JSON as in any other answer.
        Some(b'{') => match verdict::accepted(reply).and_then(|it| verdict::successful(&it)) {
            Ok(()) | Err(Verdict::Failed(_)) => {
                Verdict::Answer(MetadataReply::Answer(reply.body.clone()))
            }
            Err(verdict) => verdict,
        },
        _ => unanswered("the answer is no JSON".to_owned()),
    }
}
