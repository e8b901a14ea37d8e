//! Makes the raw tables of the sample project: a mobile app that pays its users bitcoin rewards.
//!
//! `cargo run --example generate_sample -- --users 5000 --seed 42 --out seeds`
//!
//! Four CSV files come out: `marketing_spend`, `users`, `user_touchpoints` and
//! `revenue_and_rewards`. `docs/data-model.md` says what they mean. How it works, and why:
//!
//! - The calendar is fixed: 181 days, 2025-01-01 to 2025-06-30. `Plan` gives every cell (day x
//!   campaign, or organic) a share of the users, and the share alone says how many users install
//!   there. So spend, clicks and installs of a cell are known without looking at a single user, and
//!   user ids are dealt out cell by cell: memory does not grow with the number of users.
//! - Every user, and every cell, has a random stream of its own, keyed by seed and id.
//! - Only integers and `+ - * /` on doubles are used, no `exp` or `ln`: these differ between
//!   platforms in the last bit, and the files have to be the same everywhere.
//! - The integration tests include this file as a module, hence `pub(crate)`, and `main` may be
//!   unused.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Days of the calendar. Day 0 is 2025-01-01, a Wednesday.
const DAYS: u32 = 181;
const WEDNESDAY: u32 = 2;
const YEAR: u32 = 2025;
const MONTH_LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// How lively each weekday is, from Monday.
const WEEKDAY_SHAPE: [f64; 7] = [0.95, 0.92, 0.94, 0.97, 1.02, 1.12, 1.08];

const USAGE: &str = "\
Makes the raw tables of the sample project as CSV files.

Usage: generate_sample --out DIR [--users N] [--seed S]

Options:
  --out DIR    folder for the four files; made if it is not there, existing files are replaced
  --users N    number of users, at least 1 [default: 5000]
  --seed S     the same seed gives the same files [default: 42]
  --help       print this text
";

/// The spellings of a channel that occur in the raw data, the usual one first.
const FACEBOOK: &[&str] = &["Facebook Ads", "facebook", "FB", "Facebook ", "Meta Ads"];
const GOOGLE: &[&str] = &["Google Ads", "google", "google_ads", "GOOGLE", "AdWords "];
const TIKTOK: &[&str] = &["TikTok", "tiktok", "Tik Tok", "TikTok Ads "];
const APPLE: &[&str] = &["Apple Search Ads", "apple_search_ads", "ASA", "apple search ads "];
const REDDIT: &[&str] = &["Reddit", "reddit", "Reddit Ads"];
const X: &[&str] = &["X", "Twitter", "twitter ads", "x "];
const INFLUENCER: &[&str] = &["Influencer", "influencers", "INFLUENCER", "Creators"];
const EMAIL: &[&str] = &["email", "Email", "E-Mail", "email "];
const REFERRAL: &[&str] = &["referral", "Referral", "Refer a Friend"];
const ORGANIC: &[&str] = &["organic", "Organic", ""];

/// How a campaign is paid.
#[derive(Clone, Copy, PartialEq)]
enum Paid {
    /// Every day, for what was delivered.
    Daily,
    /// A week in advance, each Monday: the other days deliver and cost nothing.
    Mondays,
    /// Never: our own mailing.
    Free,
}

/// One campaign on one channel. The same name may run on several channels.
struct Campaign {
    spellings: &'static [&'static str],
    name: &'static str,
    sources: &'static [&'static str],
    medium: &'static str,
    /// First and last day of the flight, both inclusive.
    flight: (u32, u32),
    /// Days within the flight on which nothing runs.
    pause: Option<(u32, u32)>,
    paid: Paid,
    /// Size: what it would bring in installs, relative to the other campaigns, if `installs` were
    /// 1.
    reach: f64,
    /// Installs for each unit of reach: 0 for brand advertising, little for retargeting.
    installs: f64,
    /// US dollars for each unit of reach.
    cost: f64,
    /// Clicks for each impression.
    click_rate: f64,
    /// Units of reach for each click.
    reach_rate: f64,
    audience: Audience,
}

/// What the users of a campaign are like.
struct Audience {
    /// Share that pays if given enough time.
    pays: f64,
    /// Dollars on an active day after the first payment.
    dollars: f64,
    /// Share, of payers and others alike, that comes for the rewards.
    hunters: f64,
}

const fn audience(pays: f64, dollars: f64, hunters: f64) -> Audience {
    Audience { pays, dollars, hunters }
}

const ORGANIC_AUDIENCE: Audience = audience(0.26, 0.85, 0.07);
const ALWAYS: (u32, u32) = (0, DAYS - 1);

/// March to May.
const SPRING: (u32, u32) = (59, 150);

const RETARGETING: usize = 2;
const WEEKLY_REWARDS: usize = 16;

/// What most campaigns have in common.
const USUAL: Campaign = Campaign {
    spellings: ORGANIC,
    name: "",
    sources: &[],
    medium: "paid_social",
    flight: ALWAYS,
    pause: None,
    paid: Paid::Daily,
    reach: 0.0,
    installs: 1.0,
    cost: 0.0,
    click_rate: 0.0,
    reach_rate: 0.0,
    audience: audience(0.0, 0.0, 0.0),
};

/// Order matters: `RETARGETING` and `WEEKLY_REWARDS` are places in this list.
#[rustfmt::skip] // one field a line would be three pages
const CAMPAIGNS: [Campaign; 18] = [
    Campaign { spellings: FACEBOOK, name: "lookalike_payers", sources: &["facebook", "instagram"],
        reach: 10.0, cost: 3.2, click_rate: 0.012, reach_rate: 0.09,
        audience: audience(0.37, 0.95, 0.08), ..USUAL },
    Campaign { spellings: FACEBOOK, name: "spring_launch", sources: &["facebook", "instagram"],
        flight: SPRING, reach: 12.0, cost: 2.8, click_rate: 0.010, reach_rate: 0.08,
        audience: audience(0.23, 0.80, 0.12), ..USUAL },
    Campaign { spellings: FACEBOOK, name: "retargeting", sources: &["facebook", "instagram"],
        reach: 4.0, installs: 0.25, cost: 0.9, click_rate: 0.018, reach_rate: 0.05,
        audience: audience(0.34, 0.90, 0.08), ..USUAL },
    Campaign { spellings: FACEBOOK, name: "brand_video", sources: &["facebook", "instagram"], medium: "video",
        flight: (14, 73), reach: 3.0, installs: 0.0, cost: 1.1, click_rate: 0.003, reach_rate: 0.10,
        ..USUAL },
    Campaign { spellings: GOOGLE, name: "brand_search", sources: &["google"], medium: "cpc",
        reach: 7.0, cost: 1.5, click_rate: 0.090, reach_rate: 0.28,
        audience: audience(0.34, 0.95, 0.06), ..USUAL },
    Campaign { spellings: GOOGLE, name: "app_installs", sources: &["google", "youtube"], medium: "cpc",
        pause: Some((99, 105)), reach: 10.0, cost: 2.4, click_rate: 0.022, reach_rate: 0.12,
        audience: audience(0.25, 0.85, 0.10), ..USUAL },
    Campaign { spellings: GOOGLE, name: "spring_launch", sources: &["google", "youtube"], medium: "cpc",
        flight: SPRING, reach: 8.0, cost: 2.6, click_rate: 0.025, reach_rate: 0.13,
        audience: audience(0.26, 0.85, 0.09), ..USUAL },
    Campaign { spellings: TIKTOK, name: "spring_launch", sources: &["tiktok"],
        flight: SPRING, reach: 9.0, cost: 1.6, click_rate: 0.009, reach_rate: 0.06,
        audience: audience(0.17, 0.60, 0.18), ..USUAL },
    Campaign { spellings: TIKTOK, name: "earn_bitcoin", sources: &["tiktok"],
        reach: 11.0, cost: 0.9, click_rate: 0.014, reach_rate: 0.10,
        audience: audience(0.15, 0.50, 0.45), ..USUAL },
    Campaign { spellings: APPLE, name: "brand_search", sources: &["app_store"], medium: "cpc",
        reach: 5.0, cost: 1.6, click_rate: 0.080, reach_rate: 0.45,
        audience: audience(0.38, 1.00, 0.05), ..USUAL },
    Campaign { spellings: APPLE, name: "competitor_terms", sources: &["app_store"], medium: "cpc",
        pause: Some((45, 58)), reach: 5.0, cost: 4.6, click_rate: 0.035, reach_rate: 0.30,
        audience: audience(0.28, 0.85, 0.09), ..USUAL },
    Campaign { spellings: REDDIT, name: "crypto_communities", sources: &["reddit"],
        reach: 5.0, cost: 1.9, click_rate: 0.008, reach_rate: 0.09,
        audience: audience(0.29, 0.85, 0.22), ..USUAL },
    Campaign { spellings: X, name: "bitcoin_conference", sources: &["x"],
        flight: (136, 156), reach: 3.0, cost: 5.5, click_rate: 0.006, reach_rate: 0.05,
        audience: audience(0.22, 0.80, 0.15), ..USUAL },
    Campaign { spellings: INFLUENCER, name: "podcast_q1", sources: &["podcast"], medium: "sponsorship",
        flight: (12, 89), paid: Paid::Mondays, reach: 6.0, cost: 4.2, click_rate: 0.020, reach_rate: 0.20,
        audience: audience(0.35, 1.00, 0.06), ..USUAL },
    Campaign { spellings: INFLUENCER, name: "youtube_creators", sources: &["youtube"], medium: "sponsorship",
        flight: (90, 180), paid: Paid::Mondays, reach: 7.0, cost: 4.0, click_rate: 0.015, reach_rate: 0.14,
        audience: audience(0.20, 0.75, 0.12), ..USUAL },
    Campaign { spellings: EMAIL, name: "waitlist", sources: &["newsletter"], medium: "email",
        flight: (0, 45), paid: Paid::Free, reach: 7.0, click_rate: 0.120, reach_rate: 0.35,
        audience: audience(0.42, 0.95, 0.05), ..USUAL },
    Campaign { spellings: EMAIL, name: "weekly_rewards", sources: &["newsletter"], medium: "email",
        paid: Paid::Free, reach: 5.0, installs: 0.0, click_rate: 0.100, reach_rate: 0.04,
        ..USUAL },
    Campaign { spellings: REFERRAL, name: "invite_a_friend", sources: &["in_app"], medium: "referral",
        reach: 5.0, cost: 1.5, click_rate: 0.150, reach_rate: 0.40,
        audience: audience(0.36, 0.90, 0.16), ..USUAL },
];

/// Reach of users who come by themselves, on the scale of `Campaign::reach`.
const ORGANIC_REACH: f64 = 24.0;

/// The number of cells in a day: the campaigns, then organic.
const CELLS: usize = CAMPAIGNS.len() + 1;
const ORGANIC_CELL: usize = CAMPAIGNS.len();

impl Campaign {
    fn runs_on(&self, day: u32) -> bool {
        let paused = self.pause.is_some_and(|(from, to)| (from..=to).contains(&day));
        (self.flight.0..=self.flight.1).contains(&day) && !paused
    }

    /// Advertising reaches strangers; mailings and invitations go to those we, or our users, know.
    fn reaches_strangers(&self) -> bool {
        !matches!(self.medium, "email" | "referral")
    }

    fn seen(&self) -> &'static str {
        match self.medium {
            "email" => "email_open",
            "referral" => "invite_view",
            _ => "ad_impression",
        }
    }

    fn clicked(&self) -> &'static str {
        match self.medium {
            "email" => "email_click",
            "referral" => "invite_click",
            _ => "ad_click",
        }
    }
}

/// SplitMix64: small, quick, and good enough for sample data.
struct Random(u64);

/// What a stream is for, so that no two uses share one.
#[derive(Clone, Copy)]
enum Stream {
    Share = 1,
    Spend = 2,
    User = 3,
    Money = 4,
    Clock = 5,
}

impl Random {
    fn keyed(seed: u64, stream: Stream, id: u64) -> Self {
        let mut random = Self(seed);
        random.0 = random.next() ^ (stream as u64);
        random.0 = random.next() ^ id;
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next() >> 11) as f64 * STEP
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From 0 to below `end`.
    fn below(&mut self, end: u32) -> u32 {
        ((u64::from(end) * (self.next() >> 32)) >> 32) as u32
    }

    /// Around 1, never further away than `spread`.
    fn noise(&mut self, spread: f64) -> f64 {
        let sum = self.unit() + self.unit() + self.unit();
        1.0 + spread * (sum - 1.5) / 1.5
    }

    /// The usual spelling three times in five.
    fn spelling(&mut self, spellings: &[&'static str]) -> &'static str {
        if self.chance(0.6) { spellings[0] } else { self.pick(spellings) }
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len() as u32) as usize]
    }
}

/// Which share of all users installs on which day by which campaign.
struct Plan {
    seed: u64,
    users: u64,
    /// Reach of each cell; organic is the last of each day.
    reach: Vec<f64>,
    /// Users up to and including each cell.
    upto: Vec<u64>,
    /// Users for one unit of reach.
    scale: f64,
}

impl Plan {
    fn new(users: u64, seed: u64) -> Self {
        let cells = DAYS as usize * CELLS;
        let mut reach = Vec::with_capacity(cells);
        let mut installs = Vec::with_capacity(cells);
        for day in 0..DAYS {
            let weekday = WEEKDAY_SHAPE[((day + WEDNESDAY) % 7) as usize];
            for cell in 0..CELLS {
                let mut random = Random::keyed(seed, Stream::Share, cell_id(day, cell));
                let shape = weekday * random.noise(0.35);
                // A campaign also stops now and then for a day: a budget used up, a rejected ad.
                let stopped = random.chance(0.03);
                let (size, rate) = match CAMPAIGNS.get(cell) {
                    None => (ORGANIC_REACH * (0.7 + 0.6 * f64::from(day) / f64::from(DAYS)), 1.0),
                    Some(campaign) if !campaign.runs_on(day) => (0.0, 0.0),
                    Some(campaign) if stopped && campaign.paid == Paid::Daily => (0.0, 0.0),
                    Some(campaign) => (campaign.reach, campaign.installs),
                };
                reach.push(size * shape);
                installs.push(size * shape * rate);
            }
        }
        let total: f64 = installs.iter().sum();
        let mut sum = 0.0;
        let mut upto: Vec<u64> = Vec::with_capacity(cells);
        for share in installs {
            sum += share;
            upto.push(((users as f64 * (sum / total)) as u64).min(users));
        }
        if let Some(last) = upto.last_mut() {
            // The organic cell of the last day takes what rounding left over.
            *last = users;
        }
        Self { seed, users, reach, upto, scale: users as f64 / total }
    }

    fn reach(&self, day: u32, cell: usize) -> f64 {
        self.reach[cell_id(day, cell) as usize]
    }

    fn runs(&self, day: u32, campaign: usize) -> bool {
        self.reach(day, campaign) > 0.0
    }

    /// The ids of the users who install in this cell, from and to (exclusive), counted from 0.
    fn installs(&self, day: u32, cell: usize) -> (u64, u64) {
        let id = cell_id(day, cell) as usize;
        let from = if id == 0 { 0 } else { self.upto[id - 1] };
        (from, self.upto[id])
    }
}

fn cell_id(day: u32, cell: usize) -> u64 {
    u64::from(day) * CELLS as u64 + cell as u64
}

/// A day of the calendar, written as a date.
#[derive(Clone, Copy)]
struct Date(u32);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut day = self.0;
        let mut month = 0;
        while day >= MONTH_LENGTHS[month] {
            day -= MONTH_LENGTHS[month];
            month += 1;
        }
        write!(f, "{YEAR}-{:02}-{:02}", month + 1, day + 1)
    }
}

/// Seconds since the calendar began, written as a timestamp.
#[derive(Clone, Copy)]
struct Time(u64);

const DAY_SECONDS: u64 = 86_400;

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, second) = (self.0 / DAY_SECONDS, self.0 % DAY_SECONDS);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(f, "{} {hour:02}:{minute:02}:{:02}", Date(day as u32), second % 60)
    }
}

/// Dollars in cents.
struct Cents(u64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Dollars in hundredths of a cent: one satoshi is about ten of them.
struct Fine(u64);

impl fmt::Display for Fine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

fn whole(value: f64) -> u64 {
    // Casts from a double saturate, so that this is never below zero.
    (value + 0.5) as u64
}

/// Writes the four files into `out`, which is made if it is not there.
#[expect(
    clippy::disallowed_methods,
    reason = "an example is a program of its own and knows nothing of `System`"
)]
pub(crate) fn generate(users: u64, seed: u64, out: &Path) -> io::Result<()> {
    std::fs::create_dir_all(out)?;
    let open = |name: &str| {
        File::create(out.join(name)).map(|file| BufWriter::with_capacity(1 << 16, file))
    };
    let plan = Plan::new(users, seed);

    let mut spend = open("marketing_spend.csv")?;
    write_spend(&plan, &mut spend)?;
    spend.flush()?;

    let mut files = UserFiles {
        users: open("users.csv")?,
        touchpoints: open("user_touchpoints.csv")?,
        money: open("revenue_and_rewards.csv")?,
    };
    write_users(&plan, &mut files)?;
    files.users.flush()?;
    files.touchpoints.flush()?;
    files.money.flush()
}

fn write_spend(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "date,channel,campaign,spend,impressions,clicks,installs")?;
    for day in 0..DAYS {
        for (index, campaign) in CAMPAIGNS.iter().enumerate() {
            // A paused campaign still has its row, all zeros; outside of its flight it has none.
            if !(campaign.flight.0..=campaign.flight.1).contains(&day) {
                continue;
            }
            let mut random = Random::keyed(plan.seed, Stream::Spend, cell_id(day, index));
            let reach = plan.reach(day, index) * plan.scale;
            let (from, to) = plan.installs(day, index);
            let installs = to - from;
            let monday = (day + WEDNESDAY).is_multiple_of(7);
            let paid_days = match campaign.paid {
                Paid::Daily => 1.0,
                Paid::Mondays if monday => 7.0,
                Paid::Mondays | Paid::Free => 0.0,
            };
            let spend = whole(reach * campaign.cost * random.noise(0.25) * paid_days * 100.0);
            let clicks = whole(reach / campaign.reach_rate * random.noise(0.20)).max(installs);
            let impressions =
                whole(clicks as f64 / campaign.click_rate * random.noise(0.15)).max(clicks);
            let channel = random.spelling(campaign.spellings);
            let (date, name, spend) = (Date(day), campaign.name, Cents(spend));
            writeln!(out, "{date},{channel},{name},{spend},{impressions},{clicks},{installs}")?;
        }
    }
    Ok(())
}

struct UserFiles<W> {
    users: W,
    touchpoints: W,
    money: W,
}

fn write_users<W: Write>(plan: &Plan, files: &mut UserFiles<W>) -> io::Result<()> {
    writeln!(files.users, "user_id,installed_at,created_at,updated_at,channel,campaign")?;
    let touchpoints =
        "user_id,touchpoint_date,channel,campaign,touchpoint_type,source,medium,conversion";
    writeln!(files.touchpoints, "{touchpoints}")?;
    writeln!(files.money, "user_id,date,revenue,reward_to_user")?;
    for day in 0..DAYS {
        for cell in 0..CELLS {
            let (from, to) = plan.installs(day, cell);
            for id in from..to {
                write_user(plan, files, User::draw(plan, id, day, cell))?;
            }
        }
    }
    debug_assert_eq!(plan.upto.last(), Some(&plan.users));
    Ok(())
}

/// The fate of one user, drawn once; what they touch and what they pay follows from it.
struct User {
    id: u64,
    installed: u32,
    /// The campaign that brought the install, none for organic users.
    campaign: Option<usize>,
    /// The day of the first payment, if it falls into the calendar.
    converts: Option<u32>,
    /// Comes for the rewards.
    hunter: bool,
    dollars: f64,
    random: Random,
}

impl User {
    fn draw(plan: &Plan, id: u64, installed: u32, cell: usize) -> Self {
        let campaign = (cell != ORGANIC_CELL).then_some(cell);
        let audience = campaign.map_or(&ORGANIC_AUDIENCE, |index| &CAMPAIGNS[index].audience);
        let mut random = Random::keyed(plan.seed, Stream::User, id);
        let pays = random.chance(audience.pays);
        // Half of those who pay do so within a week, the last after two months.
        let wait = random.unit();
        let first_payment = installed + (60.0 * wait * wait * wait) as u32;
        let hunter = random.chance(audience.hunters);
        // A few pay many times what the others do.
        let size = random.unit();
        let dollars = audience.dollars * (0.5 + 1.1 * size + if size > 0.95 { 4.0 } else { 0.0 });
        Self {
            id,
            installed,
            campaign,
            converts: (pays && first_payment < DAYS).then_some(first_payment),
            hunter,
            dollars: if hunter { dollars * 0.4 } else { dollars },
            random,
        }
    }
}

fn write_user<W: Write>(plan: &Plan, files: &mut UserFiles<W>, mut user: User) -> io::Result<()> {
    let number = user.id + 1;
    let last_seen = write_money(plan, &mut files.money, &user)?;
    let touches = draw_touches(plan, &mut user);

    let random = &mut user.random;
    let installed =
        u64::from(user.installed) * DAY_SECONDS + u64::from(random.below(DAY_SECONDS as u32));
    // Most sign up within minutes, some only the next day; who pays has an account by the end of
    // that day.
    let delay =
        if random.chance(0.9) { 20 + random.below(900) } else { 900 + random.below(86_400) };
    let end = u64::from(user.converts.unwrap_or(DAYS - 1) + 1) * DAY_SECONDS;
    let created = installed + u64::from(delay) % (end - installed);
    let mut clock = Random::keyed(plan.seed, Stream::Clock, user.id);
    write_touchpoints(&mut files.touchpoints, number, &touches, |touch| {
        touch.time(&mut clock, installed, created)
    })?;

    let seen = u64::from(last_seen) * DAY_SECONDS + u64::from(random.below(DAY_SECONDS as u32));
    let updated = created.max(seen);
    let (spellings, name) = match user.campaign {
        Some(index) => (CAMPAIGNS[index].spellings, CAMPAIGNS[index].name),
        None => (ORGANIC, ""),
    };
    let channel = random.spelling(spellings);
    let (installed, created, updated) = (Time(installed), Time(created), Time(updated));
    writeln!(files.users, "{number},{installed},{created},{updated},{channel},{name}")
}

/// Revenue and rewards of a user; gives the last day on which there were any.
fn write_money(plan: &Plan, out: &mut impl Write, user: &User) -> io::Result<u32> {
    let mut random = Random::keyed(plan.seed, Stream::Money, user.id);
    let number = user.id + 1;
    let (lively, lasting) = match (user.converts, user.hunter) {
        (Some(_), _) => (0.60, 18.0),
        (None, true) => (0.50, 12.0),
        (None, false) => (0.30, 3.0),
    };
    let mut last_seen = user.installed;
    for day in user.installed..DAYS {
        let age = f64::from(day - user.installed);
        let converts_today = user.converts == Some(day);
        let active = random.chance(lively * lasting / (lasting + age));
        if !active && !converts_today {
            continue;
        }
        // Mostly one payment on a day, sometimes a second one.
        let rows = if random.chance(0.06) { 2 } else { 1 };
        for row in 0..rows {
            let paying = user.converts.is_some_and(|first| first <= day);
            let must_pay = converts_today && row == 0;
            let pays = must_pay || (paying && random.chance(0.8));
            let cents =
                if pays { whole(user.dollars * random.noise(0.9) * 100.0).max(1) } else { 0 };
            // A reward for coming back, and a share of what was paid; hunters collect all there is.
            let (visit, share) = if user.hunter { (0.22, 0.55) } else { (0.03, 0.22) };
            let (visit, share) = (visit * random.noise(0.8), share * random.noise(0.6));
            let rewarded = user.hunter || random.chance(0.85);
            let reward =
                if rewarded { whole(visit * 10_000.0 + share * cents as f64 * 100.0) } else { 0 };
            if cents == 0 && reward == 0 {
                continue;
            }
            writeln!(out, "{number},{},{},{}", Date(day), Cents(cents), Fine(reward))?;
            last_seen = day;
        }
    }
    Ok(last_seen)
}

struct Touch {
    day: u32,
    /// None for organic touchpoints.
    campaign: Option<usize>,
    kind: &'static str,
    /// It comes after the install, as reminders and the conversion do.
    after: bool,
    conversion: bool,
}

impl Touch {
    fn before(day: u32, campaign: Option<usize>, kind: &'static str) -> Touch {
        Touch { day, campaign, kind, after: false, conversion: false }
    }

    fn after(day: u32, campaign: Option<usize>, kind: &'static str) -> Touch {
        Touch { day, campaign, kind, after: true, conversion: false }
    }

    /// Seen only, neither clicked nor opened.
    fn is_seen(&self) -> bool {
        matches!(self.kind, "ad_impression" | "email_open" | "invite_view")
    }

    /// A time on its day, in seconds since the calendar began.
    fn time(&self, random: &mut Random, installed: u64, created: u64) -> u64 {
        let start = u64::from(self.day) * DAY_SECONDS;
        let today = |time: &u64| (start..start + DAY_SECONDS).contains(time);
        if today(&installed) && !self.after {
            // A click comes minutes before the install, what was seen comes hours before.
            let longest: u32 = if self.is_seen() { 4 * 3600 } else { 15 * 60 };
            return installed
                - u64::from(random.below(longest.min((installed - start) as u32 + 1)));
        }
        match [created, installed].into_iter().find(today) {
            // What comes after the install waits for the account, unless that is made on a later
            // day.
            Some(from) if self.after => {
                from + u64::from(random.below((start + DAY_SECONDS - from) as u32))
            }
            // Mostly by day, seldom by night.
            _ => {
                start
                    + u64::from(random.below(DAY_SECONDS as u32) + random.below(DAY_SECONDS as u32))
                        / 2
            }
        }
    }
}

/// What touches a user, in order, each with the rest of its line: all but the user and the time.
fn draw_touches(plan: &Plan, user: &mut User) -> Vec<(Touch, String)> {
    let mut touches = Vec::new();
    before_install(plan, user, &mut touches);
    after_install(plan, user, &mut touches);
    // Within a day people see before they click. Stable, so that the rest stays in the order in
    // which it was drawn.
    touches.sort_by_key(|touch| (touch.day, touch.after, !touch.is_seen()));
    touches.into_iter().map(|touch| write_touch(touch, user)).collect()
}

/// A touch with the rest of its line.
fn write_touch(touch: Touch, user: &mut User) -> (Touch, String) {
    let Touch { campaign, kind, conversion, .. } = touch;
    let (spellings, name, sources, medium) = match campaign {
        Some(index) => {
            let campaign = &CAMPAIGNS[index];
            (campaign.spellings, campaign.name, campaign.sources, campaign.medium)
        }
        None if kind == "app_open" => (ORGANIC, "", &["direct"][..], "none"),
        None => (ORGANIC, "", &["app_store", "google_play"][..], "organic"),
    };
    let channel = user.random.spelling(spellings);
    let source = user.random.pick(sources);
    (touch, format!("{channel},{name},{kind},{source},{medium},{conversion}"))
}

fn write_touchpoints(
    out: &mut impl Write,
    number: u64,
    touches: &[(Touch, String)],
    time: impl FnMut(&Touch) -> u64,
) -> io::Result<()> {
    // The touches are in the order of days, and on the day of the install of what was before and
    // after it. Sorted times keep to that, and give the rest an order as well.
    let mut times: Vec<u64> = touches.iter().map(|(touch, _)| touch).map(time).collect();
    times.sort_unstable();
    for ((_, rest), time) in touches.iter().zip(times) {
        writeln!(out, "{number},{},{rest}", Time(time))?;
    }
    Ok(())
}

/// What led to the install: the click of the campaign that brought it, or a visit to the store, and
/// before that what was seen of this campaign and of others.
fn before_install(plan: &Plan, user: &mut User, touches: &mut Vec<Touch>) {
    let random = &mut user.random;
    let earlier = |random: &mut Random, days| user.installed.saturating_sub(random.below(days));
    match user.campaign {
        Some(index) => {
            for _ in 0..random.below(3) {
                let day = earlier(random, 12);
                if plan.runs(day, index) {
                    touches.push(Touch::before(day, Some(index), CAMPAIGNS[index].seen()));
                }
            }
            let day = earlier(random, 3);
            // There are installs only on days when the campaign runs.
            let day = if plan.runs(day, index) { day } else { user.installed };
            touches.push(Touch::before(day, Some(index), CAMPAIGNS[index].clicked()));
        }
        None => touches.push(Touch::before(user.installed, None, "app_store_visit")),
    }
    let others = if user.campaign.is_some() { 0.30 } else { 0.15 };
    while random.chance(others) {
        let index = random.below(CAMPAIGNS.len() as u32) as usize;
        let day = earlier(random, 25);
        if plan.runs(day, index) && CAMPAIGNS[index].reaches_strangers() {
            touches.push(Touch::before(day, Some(index), CAMPAIGNS[index].seen()));
        }
    }
}

/// Reminders, the touchpoint with which the user converts, and late ones after that.
fn after_install(plan: &Plan, user: &mut User, touches: &mut Vec<Touch>) {
    let random = &mut user.random;
    // Reminders come up to the conversion; those who do not convert are reminded for a month.
    let until = user.converts.unwrap_or((user.installed + 30).min(DAYS - 1));
    let days = until - user.installed;
    if days > 0 {
        while random.chance(0.40) {
            let day = user.installed + random.below(days);
            let (index, kind) = draw_reminder(random);
            if plan.runs(day, index) {
                touches.push(Touch::after(day, Some(index), kind));
            }
        }
    }

    if let Some(day) = user.converts {
        let draw = random.unit();
        let wanted = match user.campaign {
            _ if draw < 0.40 => None,
            _ if draw < 0.55 => Some(WEEKLY_REWARDS),
            _ if draw < 0.75 => Some(RETARGETING),
            campaign => campaign,
        };
        let campaign = wanted.filter(|&index| plan.runs(day, index));
        let kind = campaign.map_or("app_open", |index| CAMPAIGNS[index].clicked());
        touches.push(Touch { conversion: true, ..Touch::after(day, campaign, kind) });
    }

    // Late touchpoints: the advertising goes on although the user has long decided.
    while random.chance(0.25) {
        let day = until + 1 + random.below(40);
        let (index, kind) = draw_reminder(random);
        if day < DAYS && plan.runs(day, index) {
            touches.push(Touch::after(day, Some(index), kind));
        }
    }
}

/// The campaign of a reminder, and whether it is seen or clicked.
fn draw_reminder(random: &mut Random) -> (usize, &'static str) {
    let index = if random.chance(0.55) { WEEKLY_REWARDS } else { RETARGETING };
    let kind =
        if random.chance(0.7) { CAMPAIGNS[index].seen() } else { CAMPAIGNS[index].clicked() };
    (index, kind)
}

#[derive(Debug)]
struct Arguments {
    users: u64,
    seed: u64,
    out: PathBuf,
}

/// None when help is asked for.
fn parse_arguments(mut rest: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let (mut users, mut seed, mut out) = (5_000, 42, None);
    while let Some(argument) = rest.next() {
        let (name, attached) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        if !matches!(name, "--users" | "--seed" | "--out") {
            return Err(format!("unknown argument `{argument}`"));
        }
        let value =
            attached.or_else(|| rest.next()).ok_or_else(|| format!("`{name}` needs a value"))?;
        let number =
            || value.parse().map_err(|_| format!("`{name}` needs a whole number, not `{value}`"));
        match name {
            "--users" => users = number()?,
            "--seed" => seed = number()?,
            _ => out = Some(PathBuf::from(value)),
        }
    }
    if users == 0 {
        return Err("`--users` must be at least 1".to_owned());
    }
    let out = out.ok_or("`--out` is missing: the folder for the four files")?;
    Ok(Some(Arguments { users, seed, out }))
}

/// The command line around `generate`.
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example is a program of its own"
)]
fn main() -> ExitCode {
    let arguments = match parse_arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("error: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match generate(arguments.users, arguments.seed, &arguments.out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to `{}`: {error}", arguments.out.display());
            ExitCode::FAILURE
        }
    }
}
