//! `ewmirror simulate`: the look-alike server in the foreground.
//!
//! Prints one line on stdout when it is ready, `listening on http://127.0.0.1:PORT`, and runs
//! until it is told to stop. Every value is checked while the flags are parsed, so that a wrong
//! one is wrong usage (exit status 2) with the flag's name before it; only a repository given twice is
//! found when the server starts ([`StartError::Option`], wrong usage as well).

mod choices;
mod learned;
mod values;

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::choices::{LoginAnswerArg, ModelArg, OauthReadsArg, OrderArg, RefusalArg, StaleArg};
use self::values::RepositoryArg;
pub(super) use self::values::duration;
use crate::learn::LearnReport;
use crate::simulator::{
    self, Capacity, ConditionTreatment, Options, RepositoryOptions, SimulatedCondition,
    SimulatedFault, StartError,
};

/// The repository of vendor's example.
const DEFAULT_REPOSITORY: u64 = 10_149;

/// The flags of `ewmirror simulate`.
#[derive(Args, Clone)]
#[command(after_help = fault_kinds())]
pub struct SimulateArgs {
    /// Port to listen on, on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8090)]
    port: u16,

    /// Path before all others, such as /enterworks
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true, value_parser = values::base_path)]
    base_path: String,

    /// Repository with its number of items; repeatable [default: 10149]
    #[arg(long = "repository", value_name = "ID[:ITEMS]", value_parser = values::repository)]
    repositories: Vec<RepositoryArg>,

    /// Items of each repository that names no number
    #[arg(long, default_value_t = 10_000, value_parser = values::items)]
    items: usize,

    /// Repository that the login may not read; repeatable
    #[arg(long = "unreadable", value_name = "ID")]
    unreadable: Vec<u64>,

    /// How long a session lives after its login
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = values::duration)]
    session_ttl: Duration,

    /// How old a REST token gets before the next search renews it
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = values::duration)]
    rest_token_ttl: Duration,

    /// What a client hears that keeps sending an old REST token
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    stale_rest_token: StaleArg,

    /// Where a login's answer carries the session token
    #[arg(long, value_name = "WHERE", default_value = "both")]
    login_answer: LoginAnswerArg,

    /// Where the OAuth call reads name and password
    #[arg(long, value_name = "WHERE", default_value = "both")]
    oauth_reads: OauthReadsArg,

    /// How a request without a good session is answered
    #[arg(long, value_name = "SHAPE", default_value = "401")]
    refusal: RefusalArg,

    /// Insertions a second, in each repository
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = values::rate)]
    insert_rate: f64,

    /// Deletions a second, in each repository
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = values::rate)]
    delete_rate: f64,

    /// Changes of items a second, in each repository
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = values::rate)]
    update_rate: f64,

    /// Order of a search
    #[arg(long, default_value = "id")]
    order: OrderArg,

    /// How the calls for attributes, codes and links are answered
    #[arg(long, value_name = "READING", default_value = "flat")]
    model: ModelArg,

    /// Condition that a search may have and what becomes of it, such as since=works; repeatable. The conditions
    /// are ids, sort, since (as RFC 3339), since-epoch (in milliseconds), since-local (such as 11/30/2026 01:05:09
    /// AM in Zurich) and fields; what becomes of them is works, ignored, refused or lies (some changes are left out)
    #[arg(long = "condition", value_name = "CONDITION=TREATMENT", value_parser = values::condition)]
    conditions: Vec<(SimulatedCondition, ConditionTreatment)>,

    /// Have a call for several items by id, POST webcm/rest/api/items/list
    #[arg(long)]
    items_call: bool,

    /// How long each request takes
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    latency: Duration,

    /// How many requests are worked on at once, and how long each takes, such as 4,50ms; the others
    /// wait, so that answers come later the more are asked for
    #[arg(long, value_name = "N,SERVICE_TIME", value_parser = values::capacity)]
    capacity: Option<Capacity>,

    /// How long an answer takes that the fault "slow" has hit
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::duration)]
    slow: Duration,

    /// Fault with its probability per request, such as hang=0.01; repeatable (the kinds stand below)
    #[arg(long = "fault", value_name = "KIND=PROBABILITY", value_parser = values::fault)]
    faults: Vec<(SimulatedFault, f64)>,

    /// Be like the server of this report of `ewmirror learn`, as far as it tells; no flag that says the
    /// same is taken beside it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["repositories", "items", "order", "latency", "refusal", "login_answer", "model", "conditions"]
    )]
    report: Option<PathBuf>,

    /// Seed of items, changes and faults
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Login name that is accepted
    #[arg(long, value_name = "NAME", default_value = "system")]
    login: String,

    /// Password that is accepted; the look-alike server has no secrets
    #[arg(long, default_value = "system")]
    password: String,
}

/// The kinds of faults, a line each.
fn fault_kinds() -> String {
    let mut kinds = "Kinds of faults:\n".to_owned();
    for fault in SimulatedFault::ALL {
        let (name, words) = (fault.name(), fault.words());
        writeln!(kinds, "  {name:<16} {words}").expect("a string takes any text");
    }
    kinds
}

impl fmt::Debug for SimulateArgs {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.options(), f)
    }
}

impl SimulateArgs {
    /// The server that the flags describe.
    pub fn options(&self) -> Options {
        let mut repositories: Vec<RepositoryOptions> = self
            .repositories
            .iter()
            .map(|given| RepositoryOptions {
                id: given.id,
                items: given.items.unwrap_or(self.items),
            })
            .collect();
        if repositories.is_empty() {
            repositories.push(RepositoryOptions { id: DEFAULT_REPOSITORY, items: self.items });
        }
        Options {
            port: self.port,
            base_path: self.base_path.clone(),
            repositories,
            unreadable: self.unreadable.iter().copied().collect(),
            session_ttl: self.session_ttl,
            rest_token_ttl: self.rest_token_ttl,
            stale_rest_token: self.stale_rest_token.into(),
            login_answer: self.login_answer.into(),
            oauth_reads: self.oauth_reads.into(),
            refusal: self.refusal.into(),
            insert_rate: self.insert_rate,
            delete_rate: self.delete_rate,
            update_rate: self.update_rate,
            order: self.order.into(),
            model: self.model.into(),
            conditions: self.conditions.clone(),
            items_call: self.items_call,
            latency: self.latency,
            capacity: self.capacity,
            slow: self.slow,
            faults: self.faults.clone(),
            seed: self.seed,
            login: self.login.clone(),
            password: self.password.clone(),
            ..Options::default()
        }
    }

    /// The report that the server is to be like, if there is one.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is none; in words.
    pub fn report(&self) -> Result<Option<LearnReport>, String> {
        let Some(path) = &self.report else { return Ok(None) };
        let report = learned::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Some(report))
    }
}

/// Runs the server, which is like that of a report if there is one, until `stop` resolves. `announce` is
/// given the one line for stdout, without its line end, once the server answers.
pub async fn run(
    args: SimulateArgs,
    report: Option<LearnReport>,
    stop: impl Future<Output = ()>,
    announce: impl FnOnce(&str),
) -> Result<(), StartError> {
    let options = args.options();
    let options = match &report {
        Some(report) => learned::like(report, options),
        None => options,
    };
    let simulator = simulator::start(options).await?;
    announce(&format!("listening on {}", simulator.url()));
    stop.await;
    simulator.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use clap::Parser;
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn parse(flags: &[&str]) -> Result<SimulateArgs, clap::Error> {
        Command::try_parse_from([&["simulate"], flags].concat()).map(|command| command.args)
    }

    #[test]
    fn without_flags_it_is_the_server_of_the_vendors_example() {
        let options = parse(&[]).unwrap().options();
        assert_eq!(options.port, 8090);
        assert_eq!(options.repositories, [RepositoryOptions { id: 10_149, items: 10_000 }]);
        assert_eq!(options.session_ttl, Duration::from_hours(24));
        assert_eq!(options.rest_token_ttl, Duration::from_mins(30));
        assert_eq!((options.login.as_str(), options.password.as_str()), ("system", "system"));
        assert_eq!(options.seed, 1);
        assert!(options.faults.is_empty());
    }

    #[test]
    fn repositories_without_a_number_of_items_take_the_common_one() {
        let args = parse(&["--repository", "7:20", "--repository", "8", "--items", "30"]).unwrap();
        let expected =
            [RepositoryOptions { id: 7, items: 20 }, RepositoryOptions { id: 8, items: 30 }];
        assert_eq!(args.options().repositories, expected);
    }

    #[test]
    fn the_help_lists_every_fault_with_what_it_does() {
        let help = <Command as clap::CommandFactory>::command().render_help().to_string();
        for kind in SimulatedFault::ALL {
            let line =
                help.lines().find(|line| line.starts_with(&format!("  {:<16} ", kind.name())));
            let line = line.unwrap_or_else(|| panic!("no {kind} in\n{help}"));
            assert!(line.ends_with(kind.words()) && !kind.words().is_empty(), "{line}");
        }
    }

    #[test]
    fn a_capacity_is_a_number_and_a_time() {
        let options = parse(&["--capacity", "4,50ms"]).unwrap().options();
        let at_once = std::num::NonZeroU32::new(4).unwrap();
        let service_time = Duration::from_millis(50);
        assert_eq!(options.capacity, Some(Capacity { at_once, service_time }));
    }

    #[test]
    fn every_fault_can_be_given() {
        for kind in SimulatedFault::ALL {
            let args = parse(&["--fault", &format!("{kind}=0.25")]).unwrap();
            assert_eq!(args.options().faults, [(kind, 0.25)]);
        }
    }

    #[test]
    fn wrong_values_are_wrong_usage_and_say_what_would_be_right() {
        let cases: [(&[&str], &str); 15] = [
            (&["--condition", "since"], "CONDITION=TREATMENT"),
            (&["--condition", "when=works"], "ids, sort, since, since-epoch"),
            (&["--capacity", "4"], "4,50ms"),
            (&["--capacity", "0,50ms"], "1 or more"),
            (&["--capacity", "4,soon"], "500ms"),
            (&["--base-path", "enterworks"], "begins with a slash"),
            (&["--fault", "hang"], "KIND=PROBABILITY"),
            (&["--fault", "hung=0.1"], "the faults are refuse"),
            (&["--fault", "hang=1.5"], "from 0 to 1"),
            (&["--fault", "hang=NaN"], "from 0 to 1"),
            (&["--repository", "x:5"], "repository number"),
            (&["--repository", "5:many"], "number of items"),
            (&["--insert-rate", "-1"], "a second"),
            (&["--session-ttl", "long"], "24h"),
            (&["--order", "random"], "shuffled"),
        ];
        for (flags, expected) in cases {
            // A value that begins with a hyphen needs the equals sign to be taken as a value.
            let joined = flags.join("=");
            let error = parse(&[&joined]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{flags:?}");
            assert!(error.to_string().contains(expected), "{flags:?}: {error}");
        }
    }

    #[test]
    fn nothing_prints_the_password() {
        let args = parse(&["--password", "marker"]).unwrap();
        assert!(!format!("{args:?}{:?}", args.options()).contains("marker"));
    }

    #[tokio::test]
    async fn it_announces_where_it_listens_and_ends_when_told() {
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, lines) = mpsc::channel();
        let announce = move |line: &str| {
            sender.send(line.to_owned()).unwrap();
            stop.send(()).unwrap();
        };
        let stopped = async { stopped.await.unwrap() };
        run(parse(&["--port", "0"]).unwrap(), None, stopped, announce).await.unwrap();
        let announced: Vec<String> = lines.iter().collect();
        assert_eq!(announced.len(), 1);
        assert!(announced[0].starts_with("listening on http://127.0.0.1:"), "{}", announced[0]);
    }
}
