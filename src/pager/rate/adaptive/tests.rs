//! The controller on a server that works on a few requests at once and has the others wait, in
//! virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use fastrand::Rng;

use super::*;

/// Somebody who asks the server.
enum SimulatedClient {
    /// As the controller allows.
    Ours(Box<AdaptiveConcurrency>),
    /// Always so many at once.
    Fixed(u32),
    /// One at a time, so far apart.
    Calm(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SimulatedEvent {
    /// The service of a request is over.
    Served(usize),
    /// A client may send again.
    MaySend(usize),
}

struct SimulatedRequest {
    client: usize,
    sent: Duration,
    token: Option<Sent>,
}

/// A server and those who ask it.
struct Simulation {
    rng: Rng,
    start: Instant,
    now: Duration,
    capacity: usize,
    service: Duration,
    /// How far a service time strays from the usual, as a part of it.
    noise: f64,
    busy: usize,
    queue: VecDeque<usize>,
    requests: Vec<SimulatedRequest>,
    events: BinaryHeap<Reverse<(Duration, u64, SimulatedEvent)>>,
    ordinal: u64,
    clients: Vec<SimulatedClient>,
    in_flight: Vec<u32>,
    next: Vec<Duration>,
    /// When answers came to each client, and how long they took.
    answers: Vec<Vec<(Duration, Duration)>>,
    /// The limits that held, with the time of each change.
    limits: Vec<Vec<(Duration, u32)>>,
}

impl Simulation {
    fn new(capacity: usize, service: Duration, noise: f64, seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            start: Instant::now(),
            now: Duration::ZERO,
            capacity,
            service,
            noise,
            busy: 0,
            queue: VecDeque::new(),
            requests: Vec::new(),
            events: BinaryHeap::new(),
            ordinal: 0,
            clients: Vec::new(),
            in_flight: Vec::new(),
            next: Vec::new(),
            answers: Vec::new(),
            limits: Vec::new(),
        }
    }

    fn join(&mut self, client: SimulatedClient) -> usize {
        self.clients.push(client);
        self.in_flight.push(0);
        self.next.push(self.now);
        self.answers.push(Vec::new());
        self.limits.push(Vec::new());
        let new = self.clients.len() - 1;
        self.send(new);
        new
    }

    fn leave(&mut self, client: usize) {
        self.clients[client] = SimulatedClient::Fixed(0);
    }

    fn ours(&self, client: usize) -> &AdaptiveConcurrency {
        match &self.clients[client] {
            SimulatedClient::Ours(adaptive) => adaptive,
            _ => panic!("not ours"),
        }
    }

    fn run_until(&mut self, end: Duration) {
        while let Some(Reverse((at, _, event))) = self.events.peek().copied() {
            if at > end {
                break;
            }
            self.events.pop();
            self.now = at;
            match event {
                SimulatedEvent::Served(request) => self.served(request),
                SimulatedEvent::MaySend(client) => self.send(client),
            }
        }
        self.now = end;
    }

    fn schedule(&mut self, after: Duration, event: SimulatedEvent) {
        self.ordinal += 1;
        self.events.push(Reverse((self.now + after, self.ordinal, event)));
    }

    fn send(&mut self, client: usize) {
        loop {
            let at = self.start + self.now;
            let free = match &self.clients[client] {
                SimulatedClient::Ours(adaptive) => self.in_flight[client] < adaptive.limit(),
                SimulatedClient::Fixed(most) => self.in_flight[client] < *most,
                SimulatedClient::Calm(_) => self.in_flight[client] < 1,
            };
            if !free {
                return;
            }
            if self.next[client] > self.now {
                let wait = self.next[client].saturating_sub(self.now);
                self.schedule(wait, SimulatedEvent::MaySend(client));
                return;
            }
            let token = match &mut self.clients[client] {
                SimulatedClient::Ours(adaptive) => {
                    let token = adaptive.sent(at);
                    self.next[client] = self.now + adaptive.interval();
                    Some(token)
                }
                SimulatedClient::Fixed(_) => None,
                SimulatedClient::Calm(every) => {
                    self.next[client] = self.now + *every;
                    None
                }
            };
            self.in_flight[client] += 1;
            self.requests.push(SimulatedRequest { client, sent: self.now, token });
            self.queue.push_back(self.requests.len() - 1);
            self.serve();
        }
    }

    fn serve(&mut self) {
        while self.busy < self.capacity {
            let Some(request) = self.queue.pop_front() else { return };
            self.busy += 1;
            let stray = 1.0 + self.noise * (2.0 * self.rng.f64() - 1.0);
            self.schedule(self.service.mul_f64(stray), SimulatedEvent::Served(request));
        }
    }

    fn served(&mut self, request: usize) {
        self.busy -= 1;
        let SimulatedRequest { client, sent, token } = self.requests[request];
        self.in_flight[client] -= 1;
        let at = self.start + self.now;
        if let (SimulatedClient::Ours(adaptive), Some(token)) = (&mut self.clients[client], token) {
            let before = adaptive.limit();
            adaptive.answered(at, token, 200);
            if adaptive.limit() != before {
                self.limits[client].push((self.now, adaptive.limit()));
            }
            let next = sent + adaptive.interval();
            self.next[client] = self.next[client].max(next);
        }
        self.answers[client].push((self.now, self.now.saturating_sub(sent)));
        self.serve();
        self.send(client);
    }

    /// Answers a second to a client between two moments, as a part of what the server can do.
    fn share(&self, client: usize, from: Duration, to: Duration) -> f64 {
        let count = self.answers[client].iter().filter(|(at, _)| *at > from && *at <= to).count();
        let most = to.saturating_sub(from).as_secs_f64() / self.service.as_secs_f64()
            * self.capacity as f64;
        count as f64 / most
    }

    /// The mean latency of a client between two moments, in service times.
    fn latency(&self, client: usize, from: Duration, to: Duration) -> f64 {
        let of = self.answers[client].iter().filter(|(at, _)| *at > from && *at <= to);
        let (count, sum) = of.fold((0_u32, 0.0), |(count, sum), (_, latency)| {
            (count + 1, sum + latency.as_secs_f64())
        });
        sum / f64::from(count) / self.service.as_secs_f64()
    }
}

fn adaptive() -> SimulatedClient {
    SimulatedClient::Ours(Box::new(AdaptiveConcurrency::new(64)))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What the controller is given to learn a server: a little time and some round trips.
fn learning(service: Duration) -> Duration {
    Duration::from_secs(5) + service * 40
}

#[test]
fn any_capacity_is_made_use_of_and_hardly_more_than_it() {
    for (service, seeds) in [(ms(1), 1), (ms(10), 2), (ms(100), 4), (ms(1000), 4)] {
        for capacity in [1, 2, 3, 4, 6, 8, 11, 16, 24, 32, 48, 64] {
            for (noise, seed) in [(0.0, 1), (0.3, 2), (0.3, 3), (0.3, 4)].into_iter().take(seeds) {
                let mut world = Simulation::new(capacity, service, noise, seed);
                let ours = world.join(adaptive());
                let learnt = learning(service);
                world.run_until(learnt);
                let end = learnt + service * 200 + Duration::from_secs(2);
                world.run_until(end);
                let told = format!("{capacity} at {service:?}, noise {noise}, seed {seed}");
                let share = world.share(ours, learnt, end);
                assert!(share > 0.85, "{told}: {share:.2} of the capacity");
                let latency = world.latency(ours, learnt, end);
                // Of small servers each request too many is a large part.
                let most = if capacity < 4 { 1.5 } else { 1.35 };
                assert!(latency < most, "{told}: {latency:.2} service times");
            }
        }
    }
}

#[test]
fn a_calm_client_hardly_waits_longer_beside_it() {
    for (capacity, seed) in [(2, 1), (4, 2), (8, 3), (16, 4), (64, 5)] {
        let mut world = Simulation::new(capacity, ms(50), 0.3, seed);
        world.join(adaptive());
        let learnt = learning(ms(50));
        world.run_until(learnt);
        let other = world.join(SimulatedClient::Calm(ms(1000)));
        let end = learnt + Duration::from_secs(100);
        world.run_until(end);
        let latency = world.latency(other, learnt, end);
        assert!(latency < 1.45, "{capacity}: {latency:.2} service times");
    }
}

#[test]
fn it_yields_to_others_and_takes_up_again_what_they_leave() {
    for (capacity, service) in [(1, 100), (2, 100), (4, 10), (8, 100), (16, 100), (32, 10)] {
        let mut world = Simulation::new(capacity, ms(service), 0.3, 7);
        let ours = world.join(adaptive());
        let come = learning(ms(service));
        world.run_until(come);
        // As much as the server can do, without us.
        let others = world.join(SimulatedClient::Fixed(u32::try_from(capacity).unwrap()));
        let gone = come * 3;
        world.run_until(gone);
        let told = format!("{capacity} at {service} ms");
        let share = world.share(ours, come * 2, gone);
        // One at a time, with pauses, is still something where the others are few.
        let most = if capacity < 4 { 0.5 } else { 0.35 };
        assert!(share < most, "{told}: {share:.2} beside others");
        let latency = world.latency(others, come * 2, gone);
        assert!(latency < 1.0 + most / (1.0 - most) + 0.1, "{told}: {latency:.2} for others");
        world.leave(others);
        let noticed = gone + HOLDS_AT_MOST + come;
        world.run_until(noticed + come);
        let share = world.share(ours, noticed, noticed + come);
        assert!(share > 0.8, "{told}: {share:.2} after others");
    }
}

#[test]
fn it_yields_for_as_long_as_others_stay() {
    let mut world = Simulation::new(16, ms(100), 0.3, 7);
    let ours = world.join(adaptive());
    let others = world.join(SimulatedClient::Fixed(16));
    let (from, end) = (Duration::from_secs(600), Duration::from_secs(3600));
    world.run_until(end);
    // Long after the window has forgotten what the server was like without them.
    let (share, latency) = (world.share(ours, from, end), world.latency(others, from, end));
    assert!(share < 0.4, "{share:.2} of the capacity");
    assert!(latency < 1.7, "{latency:.2} service times");
}

#[test]
fn two_on_one_server_starve_neither_and_make_use_of_it() {
    for (capacity, service) in [(4, 10), (8, 100), (32, 100)] {
        let mut world = Simulation::new(capacity, ms(service), 0.3, 7);
        let first = world.join(adaptive());
        let met = learning(ms(service));
        world.run_until(met);
        let second = world.join(adaptive());
        let end = met + Duration::from_secs(600);
        world.run_until(end);
        let from = met * 2;
        let shares = [first, second].map(|it| world.share(it, from, end));
        assert!(shares.iter().all(|share| *share > 0.2), "{capacity}: {shares:?}");
        assert!(shares.iter().sum::<f64>() > 0.85, "{capacity}: {shares:?}");
    }
}

#[test]
fn a_server_that_changes_for_good_is_learnt_anew() {
    let mut world = Simulation::new(8, ms(50), 0.3, 7);
    let ours = world.join(adaptive());
    let changed = Duration::from_secs(30);
    world.run_until(changed);
    world.service = ms(150);
    // Until the window has forgotten what it was.
    let learnt = changed + BASELINE_HOLDS + Duration::from_secs(30);
    world.run_until(learnt);
    let slower = learnt + Duration::from_secs(60);
    world.run_until(slower);
    assert!(world.share(ours, learnt, slower) > 0.85);
    (world.service, world.capacity) = (ms(20), 32);
    let learnt = slower + Duration::from_secs(60);
    world.run_until(learnt);
    let end = learnt + Duration::from_secs(60);
    world.run_until(end);
    assert!(world.share(ours, learnt, end) > 0.85);
}

#[test]
fn a_quick_server_that_becomes_slower_for_good_is_not_rested_from_for_ever() {
    for capacity in [1, 8] {
        let mut world = Simulation::new(capacity, ms(10), 0.05, 1);
        let ours = world.join(adaptive());
        world.run_until(Duration::from_secs(30));
        world.service = ms(20);
        let (from, to) = (Duration::from_secs(150), Duration::from_secs(210));
        world.run_until(to);
        assert_eq!(world.ours(ours).interval(), Duration::ZERO);
        assert!(world.share(ours, from, to) > 0.8, "a server of {capacity}");
    }
}

#[test]
fn a_limit_that_fits_is_kept() {
    let mut world = Simulation::new(12, ms(50), 0.3, 7);
    let ours = world.join(adaptive());
    let (from, end) = (Duration::from_secs(60), Duration::from_secs(360));
    world.run_until(end);
    let changes: Vec<_> = world.limits[ours].iter().filter(|(at, _)| *at > from).collect();
    // A try and its end every 30 s, and now and then a mistake; not one a round trip: 6000.
    assert!(changes.len() < 100, "{changes:?}");
}

#[test]
fn failures_halve_once_a_round_trip() {
    let mut world = Simulation::new(64, ms(100), 0.0, 7);
    let ours = world.join(adaptive());
    world.run_until(learning(ms(100)));
    let SimulatedClient::Ours(adaptive) = &mut world.clients[ours] else { unreachable!() };
    assert_eq!(adaptive.limit(), 64);
    let now = world.start + world.now;
    // Sent before the first of them failed.
    let sent: Vec<Sent> = (0..10).map(|_| adaptive.sent(now)).collect();
    for sent in sent {
        adaptive.failed(now, sent);
        assert_eq!(adaptive.limit(), 32);
    }
    let sent = adaptive.sent(now);
    adaptive.failed(now, sent);
    assert_eq!(adaptive.limit(), 16);
}

#[test]
fn a_server_that_fails_at_one_at_a_time_is_given_rests_that_grow_and_end() {
    let mut adaptive = AdaptiveConcurrency::new(64);
    let mut now = Instant::now();
    let mut before = Duration::ZERO;
    for _ in 0..10 {
        let sent = adaptive.sent(now);
        now += ms(100);
        adaptive.failed(now, sent);
        assert_eq!(adaptive.limit(), 1);
        assert!(adaptive.interval() > before || adaptive.interval() == LONGEST_PAUSE);
        before = adaptive.interval();
    }
    assert_eq!(before, LONGEST_PAUSE);
    let mut answers = 0;
    while !adaptive.interval().is_zero() {
        let sent = adaptive.sent(now);
        adaptive.answered(now + ms(100), sent, 200);
        now += ms(100).max(adaptive.interval());
        answers += 1;
        assert!(answers < 60, "{:?}", adaptive.interval());
    }
}

#[test]
fn a_limit_that_nobody_makes_use_of_does_not_grow() {
    let mut adaptive = AdaptiveConcurrency::new(64);
    let mut now = Instant::now();
    for _ in 0..10_000 {
        let sent = adaptive.sent(now);
        now += ms(100);
        adaptive.answered(now, sent, 200);
    }
    assert_eq!(adaptive.limit(), 2);
}

#[test]
fn pages_of_another_size_are_not_compared() {
    let mut adaptive = AdaptiveConcurrency::new(1);
    let mut now = Instant::now();
    let mut page = |adaptive: &mut AdaptiveConcurrency, items, latency| {
        let sent = adaptive.sent(now);
        now += latency;
        adaptive.answered(now, sent, items);
    };
    for number in 0..200 {
        // Each list ends with a page of a few items or none, which is quick.
        page(&mut adaptive, 200, ms(100));
        if number % 4 == 0 {
            page(&mut adaptive, number % 3, ms(1));
        }
    }
    let baseline = adaptive.baselines.least().unwrap();
    assert!((baseline.mean - 0.1).abs() < 1e-6, "{baseline:?}");
    // The page size is another one now: slower pages are no slower server.
    for _ in 0..100 {
        page(&mut adaptive, 1000, ms(500));
    }
    assert_eq!(adaptive.interval(), Duration::ZERO);
    let baseline = adaptive.baselines.least().unwrap();
    assert!((baseline.mean - 0.5).abs() < 1e-6, "{baseline:?}");
}

#[test]
fn a_lower_bound_holds_at_once_and_a_higher_one_is_made_use_of() {
    let mut world = Simulation::new(64, ms(100), 0.0, 7);
    let ours = world.join(adaptive());
    world.run_until(learning(ms(100)));
    for (most, after) in [(5, 5), (20, 20)] {
        let SimulatedClient::Ours(adaptive) = &mut world.clients[ours] else { unreachable!() };
        adaptive.set_most(most);
        assert!(adaptive.limit() <= most);
        world.run_until(world.now + Duration::from_secs(60));
        assert_eq!(world.ours(ours).limit(), after);
    }
}
