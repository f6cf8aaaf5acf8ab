//! The way to the server, the login, and what the server answers.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Url;

use super::hints::{Hint, ReadPage, hints};
use super::readable_config::ReadableConfig;
use super::report::DoctorReport;
use crate::cli::online::{self, FirstPage, OfferedList};
use crate::cli::{daemon, output};
use crate::client::{Api as _, CLOCKS_APART_S, Client, Failure, RequestErrorKind};
use crate::config::{Config, Environment, RepositoryConfig};
use crate::http::SetupError;
use crate::http::route::{Route, route};
use crate::model::{MetadataRequest, ModelReading, RepositoryModel};
use crate::presentation::naming;
use crate::progress::ACCESS_REMEDY;
use crate::session::SharedSession;

/// How long a name and a connection are waited for where no configuration says.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The most addresses of one name that are shown.
const SHOWN_ADDRESSES: usize = 4;

/// The names of the checks, in their order.
const NAMES: &str = "name resolution";
const TCP: &str = "TCP";
const TLS: &str = "TLS";
const PROXY: &str = "proxy";
const LOGIN: &str = "login";
const CLOCK: &str = "clock";
const OFFER: &str = "all repositories";

/// Looks at everything between here and the first pages.
pub(super) async fn check(
    report: &mut DoctorReport,
    known: &ReadableConfig,
    environment: &Environment,
) {
    match known {
        ReadableConfig::All(config) => {
            let route = route(&config.server, environment);
            let within = config.server.connect_timeout;
            let connected = connect(report, route.as_ref(), &config.server.url, within).await;
            if connected {
                signed_in(report, config, route.as_ref(), environment).await;
            } else {
                const WHY: &str = "there is no connection";
                report.skip(TLS, WHY);
                proxy(report, route.as_ref());
                skip_from_login(report, config, WHY);
            }
        }
        ReadableConfig::Some(config) => {
            let url = &config.server;
            let direct = url.host_str().zip(url.port_or_known_default()).map(|(host, port)| {
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Route { host, port, proxy: None }
            });
            connect(report, direct.as_ref(), url, CONNECT_WITHIN).await;
            for check in [TLS, PROXY, LOGIN, "repositories", CLOCK] {
                report.skip(check, "the configuration is faulty");
            }
        }
        ReadableConfig::Nothing => {
            for check in [NAMES, TCP, TLS, PROXY, LOGIN, "repositories", CLOCK] {
                report.skip(check, "the configuration is faulty");
            }
        }
    }
}

/// Looks a name up and connects to it; returns whether that is possible.
async fn connect(
    report: &mut DoctorReport,
    route: Option<&Route>,
    url: &Url,
    within: Duration,
) -> bool {
    let Some(Route { host, port, proxy }) = route else {
        report.fail(NAMES, "the address has no host or port", "correct server.url or server.proxy");
        report.skip(TCP, "there is no host");
        return false;
    };
    let (key, whose) = match proxy {
        Some(_) => ("server.proxy", "the proxy "),
        None => ("server.url", ""),
    };
    let addresses = match addresses(host, *port, within).await {
        Ok(addresses) => addresses,
        Err(error) => {
            let remedy = format!("check the host in {key} and this machine's /etc/resolv.conf");
            report.fail(NAMES, &format!("{whose}{host}: {error}"), &remedy);
            report.skip(TCP, "there is no address");
            return false;
        }
    };
    if host.parse::<IpAddr>().is_ok() {
        report.ok(NAMES, &format!("{whose}{host} is an address"));
    } else {
        report.ok(NAMES, &format!("{whose}{host}: {}", listed(&addresses)));
    }
    let begun = Instant::now();
    let error = match timeout(within, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(stream)) => {
            let at = stream.peer_addr().map_or_else(|_| host.clone(), |at| at.to_string());
            report.ok(TCP, &format!("connected to {at} in {} ms", millis(begun.elapsed())));
            return true;
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nobody listens (connection refused)".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no connection within {} ms", millis(within)),
    };
    let remedy = match proxy {
        Some(_) => format!("check {key}, that the proxy is up, and firewalls"),
        None => format!("check the port in {key} ({url}), that the server is up, and firewalls"),
    };
    report.fail(TCP, &format!("{whose}{host} port {port}: {error}"), &remedy);
    false
}

/// All addresses of a host, at least one.
async fn addresses(host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let found = timeout(within, lookup_host((host, port))).await.map_err(late)??;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(io::Error::other("it has no address"));
    }
    Ok(addresses)
}

fn listed(addresses: &[SocketAddr]) -> String {
    let shown: Vec<String> =
        addresses.iter().take(SHOWN_ADDRESSES).map(|address| address.ip().to_string()).collect();
    match addresses.len().saturating_sub(SHOWN_ADDRESSES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn proxy(report: &mut DoctorReport, route: Option<&Route>) {
    let Some(Route { host, port, proxy: Some(proxy) }) = route else {
        report.ok(PROXY, "none is used");
        return;
    };
    let found = format!("{}://{host}:{port}", proxy.scheme);
    let named_by = proxy.named_by;
    if named_by == "server.proxy" {
        report.ok(PROXY, &format!("{found}, as {named_by} says"));
    } else {
        let remedy = "a service has an environment of its own: set server.proxy for both";
        report.warn(PROXY, &format!("{found}, as {named_by} in this environment says"), remedy);
    }
}

/// Signs in, which shows how TLS stands; reads the first pages; signs out.
async fn signed_in(
    report: &mut DoctorReport,
    config: &Config,
    route: Option<&Route>,
    environment: &Environment,
) {
    let client = match Client::new(&daemon::settings(config, environment)) {
        Ok(client) => client,
        Err(error) => {
            // Its text has the remedy.
            let check = if matches!(error, SetupError::Proxy) { PROXY } else { TLS };
            report.fail(check, &output::chain(&error), "then try again");
            skip_from_login(report, config, "there is no client");
            return;
        }
    };
    let begun = Instant::now();
    let login = online::sign_in(&client).await;
    let elapsed = millis(begun.elapsed());
    let secured = tls(report, config, &client, &login);
    proxy(report, route);
    match login {
        Ok(session) => {
            let name = &config.login.username;
            report.ok(LOGIN, &format!("signed in as {name} in {elapsed} ms"));
            let offer = OfferedList::new(&client, &session);
            let mut repositories = config.repositories.clone();
            match offer.taken(config).await {
                Ok((taken, left_out)) => {
                    repositories = taken.repositories;
                    if config.every.is_some() {
                        tell_offer(report, repositories.len(), &left_out);
                    }
                }
                Err(error) => report.fail(OFFER, &error, "see `ewmirror repositories`"),
            }
            for repository in &repositories {
                first_page(report, (&client, &session), &offer, repository).await;
            }
            clock(report, &client);
            online::sign_out(&client, &session).await;
        }
        Err(failure) => {
            if secured {
                report.fail(LOGIN, &described(&failure), remedy(&failure));
            } else {
                report.skip(LOGIN, "there is no secured connection");
            }
            skip_repositories(report, config, "there is no session");
            clock(report, &client);
        }
    }
}

/// What the login shows of TLS; returns whether it was no obstacle.
fn tls(
    report: &mut DoctorReport,
    config: &Config,
    client: &Client,
    login: &Result<SharedSession, Failure>,
) -> bool {
    let url = &config.server.url;
    let answered = match login {
        Err(Failure::Failed(error)) => {
            if let RequestErrorKind::Tls(fault) = error.kind {
                let found = format!("{fault}: {}", output::chain(error));
                report.fail(
                    TLS,
                    &found,
                    error.remedy().unwrap_or("see whether a firewall meddles"),
                );
                return false;
            }
            error.status.is_some()
        }
        _ => true,
    };
    if let Some(secured) = client.redirected_to() {
        let remedy =
            format!("set server.url = \"{secured}\": the password went there in the clear");
        report.warn(TLS, &format!("{url} redirects to {secured}"), &remedy);
    } else if url.scheme() == "http" {
        report.skip(TLS, "server.url is plain http");
    } else if !answered {
        report.skip(TLS, "the server did not answer");
    } else if config.server.accept_invalid_certificates {
        let remedy = "set server.ca_file, and take out server.accept_invalid_certificates";
        report.warn(TLS, "any certificate is accepted", remedy);
    } else {
        let host = url.host_str().unwrap_or_default();
        report.ok(TLS, &format!("the server's certificate is trusted and for {host}"));
    }
    true
}

/// How many are read with what `id = "all"` takes, and what that leaves out.
fn tell_offer(report: &mut DoctorReport, read: usize, left_out: &[String]) {
    let found = format!("{read} repositories are read");
    if left_out.is_empty() {
        return report.ok(OFFER, &found);
    }
    report.warn(OFFER, &format!("{found}; {}", left_out.join("; ")), ACCESS_REMEDY);
}

async fn first_page(
    report: &mut DoctorReport,
    (client, session): (&Client, &SharedSession),
    offer: &OfferedList<'_>,
    repository: &RepositoryConfig,
) {
    let (page, item_id) = checks(repository);
    match online::first_page(client, session, repository).await {
        Ok(FirstPage { items, total, elapsed }) => {
            let found = format!("{} of {total} items in {} ms", items.len(), millis(elapsed));
            if items.is_empty() {
                if let Some(denied) = offer.denied(repository.id).await {
                    report.fail(&page, &format!("{found}: {denied}"), ACCESS_REMEDY);
                } else {
                    let remedy = "see whether it is empty, or this user may not see its items";
                    report.warn(&page, &found, remedy);
                }
                report.skip(&item_id, "there is no item");
                return;
            }
            report.ok(&page, &found);
            let pointer = &repository.item_id;
            let distinct: HashSet<_> = items.iter().map(|item| &item.id).collect();
            if distinct.len() == items.len() {
                report.ok(&item_id, &format!("found at {pointer}"));
            } else {
                let (distinct, count) = (distinct.len(), items.len());
                let found = format!("{count} items have {distinct} different values at {pointer}");
                report.warn(&item_id, &found, "set item_id to the member that is unique");
            }
            let read = ReadPage { items: &items, elapsed, search: &repository.search };
            let model = attributes((client, session), offer, repository).await;
            for Hint { found, remedy } in hints(&model, &read) {
                report.warn(&format!("hint for {}", repository.id), &found, remedy);
            }
        }
        Err(Failure::Failed(error)) if matches!(error.kind, RequestErrorKind::ItemId { .. }) => {
            report.ok(&page, "a page was read");
            let remedy = error.remedy().unwrap_or_default();
            report.fail(&item_id, &output::chain(&error), remedy);
        }
        Err(failure) => {
            let denied = match &failure {
                Failure::Refused(_) => offer.denied(repository.id).await,
                _ => None,
            };
            match denied {
                Some(denied) => {
                    let found = format!("{denied}: {}", described(&failure));
                    report.fail(&page, &found, ACCESS_REMEDY);
                }
                None => report.fail(&page, &described(&failure), remedy(&failure)),
            }
            report.skip(&item_id, "there is no page");
        }
    }
}

/// What is known of a repository's attributes, as far as the server tells and the names file says.
async fn attributes(
    (client, session): (&Client, &SharedSession),
    offer: &OfferedList<'_>,
    repository: &RepositoryConfig,
) -> RepositoryModel {
    let credentials = session.credentials().await;
    let listed = offer.list().await.map_or(&[][..], |list| &list.repositories);
    let listed = listed.iter().find(|it| it.id == repository.id);
    let mut reading = ModelReading::new(repository.id, listed.and_then(|it| it.name.clone()));
    // Codes and links say nothing here.
    while let Some(request @ MetadataRequest::Attributes { .. }) = reading.next().cloned() {
        let Ok(reply) = client.metadata(&credentials, &request).await else { break };
        reading.take(reply);
    }
    let mut model = reading.finish().model;
    naming::say(Some(repository), &mut model);
    model
}

fn clock(report: &mut DoctorReport, client: &Client) {
    let Some(ahead) = client.clock_ahead_s() else {
        report.skip(CLOCK, "the server does not say the time");
        return;
    };
    let apart = ahead.unsigned_abs();
    if apart > CLOCKS_APART_S {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let found = format!("the server's clock is {apart} s {direction} this machine's");
        report.warn(CLOCK, &found, "see with timedatectl which is wrong, and set it by NTP");
    } else {
        report.ok(CLOCK, &format!("within {apart} s of the server's"));
    }
}

fn skip_from_login(report: &mut DoctorReport, config: &Config, why: &str) {
    report.skip(LOGIN, why);
    skip_repositories(report, config, why);
    report.skip(CLOCK, why);
}

fn skip_repositories(report: &mut DoctorReport, config: &Config, why: &str) {
    for repository in &config.repositories {
        let (page, item_id) = checks(repository);
        report.skip(&page, why);
        report.skip(&item_id, why);
    }
}

/// The names of the two checks of a repository.
fn checks(repository: &RepositoryConfig) -> (String, String) {
    (format!("repository {}", repository.id), format!("item id of {}", repository.id))
}

/// A failure with the beginning of the answer, which the client has made fit to be shown.
fn described(failure: &Failure) -> String {
    let told = output::chain(failure);
    match failure {
        Failure::Failed(error) => match &error.beginning {
            Some(beginning) => format!("{told} (the answer begins: {beginning})"),
            None => told,
        },
        _ => told,
    }
}

fn remedy(failure: &Failure) -> &'static str {
    online::remedy(failure).unwrap_or(match failure {
        Failure::Refused(_) => "see whether this user may read it, and whether it exists",
        _ => "see the server's own log",
    })
}

fn millis(span: Duration) -> u128 {
    span.as_millis()
}
