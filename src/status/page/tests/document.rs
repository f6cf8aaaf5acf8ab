//! The document as JSON.

use super::*;

#[test]
fn the_document_is_this_json() {
    let mut summary = summary();
    summary.repositories.remove(0);
    summary.repositories[0].passes.truncate(1);
    let document = compose(input(&summary, Some(daemon())));
    let expected = r#"{
  "version": "VERSION",
  "server": null,
  "max_age_ms": null,
  "health": "degraded",
  "problems": [
    {
      "scope": "deletes",
      "repository": 10149,
      "since_ms": 3600000,
      "failures": 3000,
      "error": "3000 deletions held back: too many at once to be believed",
      "remedy": "see which, and whether they are gone for good: ewmirror approve-deletes --repository 10149 --list; if so: ewmirror approve-deletes --repository 10149",
      "retry_in_ms": null
    }
  ],
  "daemon": {
    "pid": 61,
    "uptime_ms": 11525000,
    "signed_in": true,
    "signed_out_ms": null,
    "sign_in": "signed in",
    "sign_in_reason": null,
    "session_age_ms": 11520000,
    "rest_token_age_ms": null,
    "logins": 1,
    "rest_tokens": 6,
    "refusals": 0,
    "failures": 2,
    "requests": 700,
    "requests_last_minute": 0,
    "restarts": 0,
    "feeds": [
      {
        "name": "files",
        "state": "waiting",
        "delivered_through": 10440,
        "lag_changes": 0,
        "lag_ms": null,
        "delivered": 10440,
        "parked": 0,
        "missed": 0,
        "last_success_at_ms": 1772366340000
      },
      {
        "name": "shop",
        "state": "delivering",
        "delivered_through": 10400,
        "lag_changes": 40,
        "lag_ms": 5000,
        "delivered": 9000,
        "parked": 2,
        "missed": 7,
        "last_success_at_ms": null
      },
      {
        "name": "warehouse",
        "state": "standby",
        "delivered_through": null,
        "lag_changes": null,
        "lag_ms": null,
        "delivered": null,
        "parked": null,
        "missed": null,
        "last_success_at_ms": null
      }
    ]
  },
  "instance": null,
  "mirror": {
    "url": "sqlite:///var/lib/ewmirror/mirror.db",
    "database_bytes": 19084083,
    "wal_bytes": 4194304,
    "last_sequence": 10440,
    "dropped_through": 0,
    "error": null
  },
  "totals": {
    "repositories": 1,
    "certified": 1,
    "paging": 1,
    "with_problems": 1,
    "held_back": 1,
    "items": 10432
  },
  "repositories": [
    {
      "id": 10149,
      "name": "Products",
      "model_read_at_ms": null,
      "state": "paging",
      "owner": null,
      "iteration": 13,
      "pages": 40,
      "covered": 4000,
      "total": 10432,
      "in_flight_limit": 4,
      "page_interval_ms": 0,
      "items": 10432,
      "certified_age_ms": 180000,
      "last_certified": {
        "iteration": 12,
        "ended_at_ms": 1772366220000
      },
      "suspects": 5,
      "held_deletions": {
        "count": 4000,
        "iteration": 11,
        "since_at_ms": 1772362800000,
        "approved": false,
        "waiting": 3000,
        "first": [
          "5",
          "6",
          "7",
          "8",
          "9"
        ]
      },
      "passes": [
        {
          "iteration": 13,
          "started_at_ms": 1772365800000,
          "ended_at_ms": null,
          "pages": 53,
          "requests": 60,
          "first_total": 10433,
          "last_total": 10432,
          "distinct_ids": 10432,
          "repeats": 500,
          "step_backs": 1,
          "created": 3,
          "updated": 2,
          "deleted": 1,
          "unchanged": 10427,
          "suspects": 5,
          "held": 0,
          "certified": false,
          "reason": null,
          "kind": "whole"
        }
      ],
      "change_delay": null,
      "freshness": null,
      "incremental": null
    }
  ],
  "latest_changes": [
    {
      "sequence": 10440,
      "found_at_ms": 1772366340000,
      "op": "u",
      "repository": 10149,
      "item": "SKU-7"
    }
  ],
  "command": "ewmirror"
}
"#;
    assert_eq!(document.json(), expected.replace("VERSION", env!("CARGO_PKG_VERSION")));
    let read: StatusDocument = serde_json::from_str(&document.json()).unwrap();
    assert_eq!(read, document);
}
