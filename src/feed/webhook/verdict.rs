//! What the answer to a webhook means for what was sent. Pure.

use std::time::Duration;

use crate::feed::receiver::DeliveryRefusal;

/// What an answer of this status means; `Ok`: it is delivered.
///
/// 401, 403 and 407 are about who asks, 408 and 425 about when: they say nothing of what was sent, and to
/// park for them would park everything.
///
/// # Errors
///
/// It is not delivered.
pub(super) fn verdict(
    status: u16,
    retry_after: Option<Duration>,
    redirect_to: Option<&str>,
    beginning: &str,
) -> Result<(), DeliveryRefusal> {
    let told = if beginning.is_empty() { String::new() } else { format!(": {beginning}") };
    let reason = format!("answered with status {status}{told}");
    match status {
        200..=299 => Ok(()),
        300..=399 => {
            let to = redirect_to.map(|host| format!(" to {host}")).unwrap_or_default();
            let reason =
                format!("answered with a redirect{to} (status {status}); none is followed");
            Err(DeliveryRefusal::Later { reason, after: retry_after })
        }
        410 => Err(DeliveryRefusal::Gone { reason }),
        401 | 403 | 407 | 408 | 425 | 429 => {
            Err(DeliveryRefusal::Later { reason, after: retry_after })
        }
        400..=499 => Err(DeliveryRefusal::Unfit { reason }),
        _ => Err(DeliveryRefusal::Later { reason, after: retry_after }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `d`elivered, `l`ater, `g`one, `u`nfit.
    fn judged(status: u16) -> char {
        match verdict(status, None, None, "") {
            Ok(()) => 'd',
            Err(DeliveryRefusal::Later { .. }) => 'l',
            Err(DeliveryRefusal::Gone { .. }) => 'g',
            Err(DeliveryRefusal::Unfit { .. }) => 'u',
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (statuses, meaning) in [
            (&[200, 201, 202, 204, 299][..], 'd'),
            (&[410], 'g'),
            (&[400, 402, 404, 405, 409, 413, 415, 422, 431, 499], 'u'),
            (&[100, 301, 302, 307, 308, 401, 403, 407, 408, 425, 429], 'l'),
            (&[500, 501, 502, 503, 504, 599, 999], 'l'),
        ] {
            for status in statuses {
                assert_eq!(judged(*status), meaning, "{status}");
            }
        }
    }

    #[test]
    fn how_long_to_wait_and_where_it_leads_is_told() {
        let wait = Some(Duration::from_secs(70));
        let later =
            |reason: &str| Err(DeliveryRefusal::Later { reason: reason.to_owned(), after: wait });
        let busy = verdict(503, wait, None, "try \\u{7}later");
        assert_eq!(busy, later("answered with status 503: try \\u{7}later"));
        let moved = verdict(301, wait, Some("b.example"), "<html>");
        assert_eq!(
            moved,
            later("answered with a redirect to b.example (status 301); none is followed")
        );
    }
}
