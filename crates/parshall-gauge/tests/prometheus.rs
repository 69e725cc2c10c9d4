//! The alerts and the dashboard, with a real Prometheus that scrapes a program that is well and one
//! that is not. Skipped where there is no `prometheus` or no `promtool`.
#![cfg(all(unix, feature = "metrics", feature = "serve"))]
#![allow(clippy::disallowed_methods)] // files of Prometheus; no database of this process

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use parshall::mpsc::Builder;
use parshall::task::spawn_named;
use parshall_gauge::Gauge;
use serde_json::Value;
use support::{ask, until};
use tokio::time::{sleep, timeout};

/// Which program this is, if it is one that is scraped.
const PROGRAM: &str = "PARSHALL_TEST_PROMETHEUS";

/// A name that a label must carry whole.
const QUOTED: &str = r#"a "quoted" \ name {x="1"}"#;

/// How slow all is: the times of what is well, and of the alerts, are so many times as long.
const PACE: &str = "PARSHALL_TEST_PACE";

const METRICS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics");

/// A program that is scraped; if it is one.
#[test]
fn program() {
    let Some(kind) = env::var_os(PROGRAM) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pace = env::var(PACE).unwrap().parse().unwrap();
    let gauge = Gauge::builder().no_socket().quiet().stuck_after(Duration::from_secs(pace));
    let gauge = gauge.bind(([127, 0, 0, 1], 0).into()).start();
    runtime.block_on(async {
        if kind == "healthy" {
            healthy();
        } else {
            sick();
        }
        println!("address: {}", gauge.address().unwrap());
        // Until nobody reads what it says.
        tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().count()).await.unwrap();
    });
    std::process::exit(0);
}

fn healthy() {
    // Messages flow, now and then a sender waits, and some receivers have nothing to do.
    for (name, capacity) in [("flow", 64), ("narrow", 1), (QUOTED, 8)] {
        let (tx, mut rx) = Builder::new().name(name).capacity(capacity).build();
        spawn_named("producer", async move {
            while tx.send(1).await.is_ok() {
                sleep(Duration::from_millis(2)).await;
            }
        });
        spawn_named("consumer", async move { while rx.recv().await.is_some() {} });
    }
    let (idle, mut rx) = Builder::new().name("idle").build_unbounded::<u8>();
    spawn_named("idle", async move {
        rx.recv().await;
        drop(idle);
    });
    // Bursts into a channel without a capacity, each of which is drained; channels that come and
    // go.
    let (bursts, mut rx) = Builder::new().name("bursts").build_unbounded();
    spawn_named("drain", async move { while rx.recv().await.is_some() {} });
    spawn_named("burst", async move {
        for round in 1.. {
            for n in 0..500 {
                let _ = bursts.send(n);
            }
            let (tx, mut rx) = Builder::new().name("replies").capacity(4).build();
            for n in 0..round % 5 {
                tx.try_send(n).unwrap();
            }
            while rx.try_recv().is_ok() {}
            sleep(Duration::from_millis(50)).await;
        }
    });
}

fn sick() {
    let bounded = |name: &str| Builder::new().name(name.to_owned()).capacity(2).build::<u32>();
    // They talk; then each fills the other's channel before it looks into its own again.
    let (to_left, left) = bounded("left");
    let (to_right, right) = bounded("right");
    for (name, tx, mut rx) in [("left", to_right, left), ("right", to_left, right)] {
        spawn_named(name, async move {
            for sends in [1, 3] {
                for n in 0..sends {
                    tx.send(n).await.unwrap();
                }
                rx.recv().await;
            }
        });
    }
    let slowly = |name: &str, mut rx: parshall::mpsc::Receiver<u32>| {
        spawn_named(name, async move {
            while rx.recv().await.is_some() {
                sleep(Duration::from_millis(40)).await;
            }
        })
    };
    let (tx, rx) = bounded("saturated");
    slowly("slow", rx);
    spawn_named("eager", async move { while tx.send(1).await.is_ok() {} });
    let (tx, rx) = bounded("refused");
    slowly("slow too", rx);
    spawn_named("pushy", async move {
        loop {
            let _ = tx.try_send(1);
            let _ = timeout(Duration::from_millis(3), tx.send(2)).await;
            sleep(Duration::from_millis(2)).await;
        }
    });
    let (tx, mut rx) = Builder::new().name("growing").build_unbounded();
    spawn_named("sorter", async move {
        while rx.recv().await.is_some() {
            sleep(Duration::from_millis(40)).await;
        }
    });
    spawn_named("reader", async move {
        loop {
            for n in 0..10 {
                tx.send(n).unwrap();
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
}

/// A child that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_program(kind: &str, pace: u32) -> (Running, SocketAddr) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "program", "--nocapture"])
        .env(PROGRAM, kind)
        .env(PACE, pace.to_string())
        .env("PARSHALL_PROCESS", kind)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address =
        lines.find_map(|line| Some(line.ok()?.split_once("address: ")?.1.parse().unwrap()));
    (Running(child), address.expect("it says where it answers"))
}

/// Prometheus, with the alerts in seconds where they have minutes.
fn start_prometheus(folder: &Path, targets: [SocketAddr; 2], pace: u32) -> (Running, SocketAddr) {
    let mut alerts = fs::read_to_string(format!("{METRICS}/alerts.yml")).unwrap();
    for (minutes, seconds) in [("5m", 2), ("6m", 3), ("1m", 1)] {
        alerts = alerts.replace(minutes, &format!("{}s", pace * seconds));
    }
    fs::write(folder.join("alerts.yml"), alerts).unwrap();
    let [one, other] = targets;
    let every = format!("{}ms", 250 * pace);
    let config = format!(
        "global: {{ scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: {every} }}\n\
         rule_files: [alerts.yml]\n\
         scrape_configs:\n  - job_name: parshall\n    static_configs: [{{ targets: ['{one}', '{other}'] }}]\n"
    );
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = fs::File::create(folder.join("log")).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let running = Running(child);
    // It listens before it answers.
    until("prometheus is ready", || {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(support::LIMIT)).unwrap();
        let request =
            format!("GET /-/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        (ask(stream, &request).status == 200).then_some(())
    });
    (running, address)
}

fn get(address: SocketAddr, path: &str) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::LIMIT)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    ask(stream, &request).body
}

/// The `data` of an answer of Prometheus.
fn api(address: SocketAddr, path: &str) -> Value {
    let text = get(address, &format!("/api/v1/{path}"));
    let mut answer: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
    assert_eq!(answer["status"], "success", "{path}: {answer}");
    answer["data"].take()
}

fn query(address: SocketAddr, query: &str) -> Vec<Value> {
    let mut data = api(address, &format!("query?query={}", encoded(query)));
    let Value::Array(result) = data["result"].take() else { panic!("{query}: {data}") };
    result
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}

fn promtool(args: &[&str], input: &str) -> Output {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(METRICS);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What promtool says of it, which it finds right.
fn assert_right(args: &[&str], input: &str) -> String {
    let output = promtool(args, input);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {args:?}: {text}");
    text
}

fn is_there(program: &str) -> bool {
    let status =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The queries of the dashboard, each with the title of its panel.
fn dashboard() -> (Vec<(String, String)>, Vec<String>) {
    let text = fs::read_to_string(format!("{METRICS}/dashboard.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut queries = Vec::new();
    for panel in all["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            queries.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    let variables = all["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter(|variable| variable["type"] == "query");
    (queries, variables.map(|variable| text(&variable["query"]["query"])).collect())
}

/// As Grafana does with all programs and channels chosen.
fn filled_in(query: &str, pace: u32) -> String {
    let interval = format!("{}s", 2 * pace);
    query.replace("$__rate_interval", &interval).replace("$process", ".*").replace("$channel", ".*")
}

/// Seen to fail with: each alert with its comparison turned round, findings that are not written, a
/// metric misspelt in the dashboard, and sums of dead channels left out, where a counter falls.
#[test]
fn alerts_fire_for_what_is_wrong_and_the_dashboard_shows_it() {
    if env::var_os(PROGRAM).is_some() {
        return;
    }
    if !is_there("prometheus") || !is_there("promtool") {
        println!("skipped: Prometheus, because it is not installed");
        return;
    }
    assert_right(&["check", "rules", "alerts.yml"], "");
    assert_right(&["test", "rules", "alerts_test.yml"], "");

    // A program that does not run for seconds, as on a busy machine, is not well: then all is done
    // once more, more slowly.
    for pace in [1, 3] {
        if catch_unwind(|| at_pace(pace)).is_ok() {
            return;
        }
    }
    at_pace(9);
}

fn at_pace(pace: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (_healthy, well) = start_program("healthy", pace);
    let (_sick, ill) = start_program("sick", pace);
    let (_prometheus, at) = start_prometheus(folder.path(), [well, ill], pace);
    for program in [well, ill] {
        assert_eq!(assert_right(&["check", "metrics"], &get(program, "/metrics")), "", "advice");
    }

    let firing = || -> BTreeSet<(String, String, String)> {
        let alerts = api(at, "alerts");
        let alerts = alerts["alerts"].as_array().unwrap().iter();
        let alerts = alerts.filter(|alert| alert["state"] == "firing");
        let label =
            |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or("").to_owned();
        alerts
            .map(|it| (label(it, "alertname"), label(it, "process"), label(it, "channel")))
            .collect()
    };
    let expected =
        [("Growing", "growing"), ("Refused", "refused"), ("Saturated", "saturated"), ("Stuck", "")]
            .map(|(alert, channel)| {
                (format!("Parshall{alert}"), "sick".to_owned(), channel.to_owned())
            });
    let begun = Instant::now();
    loop {
        let firing = firing();
        if expected.iter().all(|alert| firing.contains(alert)) {
            break;
        }
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(begun.elapsed() < pace * Duration::from_secs(40), "{firing:?}, {}", log());
        thread::sleep(Duration::from_millis(250));
    }
    // The program that is well has flowed for as long.
    let ever = query(at, r#"count_over_time(ALERTS{alertstate="firing",process!="sick"}[1h])"#);
    assert!(ever.is_empty(), "{ever:?}");
    let alerts = api(at, "alerts").to_string();
    for words in
        ["left: deadlock.", "`parshall report sick` says", "Channel growing of sick keeps growing"]
    {
        assert!(alerts.contains(words), "{alerts}");
    }

    let targets = api(at, "targets?state=active");
    for target in targets["activeTargets"].as_array().unwrap() {
        assert_eq!(
            (&target["health"], &target["lastError"]),
            (&"up".into(), &"".into()),
            "{target}"
        );
    }
    let metrics = api(at, "label/__name__/values");
    let metrics = metrics.as_array().unwrap().iter().filter_map(Value::as_str);
    let counters: Vec<_> =
        metrics.filter(|name| name.starts_with("parshall_") && name.ends_with("_total")).collect();
    assert_eq!(counters.len(), 12, "{counters:?}");
    let of_waits =
        ["bucket", "count", "sum"].map(|end| format!("parshall_channel_wait_seconds_{end}"));
    for counter in counters.into_iter().chain(of_waits.iter().map(String::as_str)) {
        let there =
            query(at, &format!("count({counter}{{process=\"sick\",channel=\"saturated\"}})"));
        assert!(!there.is_empty(), "{counter}");
        let fell = query(at, &format!("resets({counter}[1h]) > 0"));
        assert!(fell.is_empty(), "{counter} fell: {fell:?}");
    }
    let names = query(at, r#"parshall_channels{process="healthy"}"#);
    assert!(names.iter().any(|series| series["metric"]["channel"] == QUOTED), "{names:?}");
    let deadlocked = query(at, r#"sum(parshall_deadlocked_tasks{process="sick"})"#);
    assert_eq!(deadlocked[0]["value"][1], "2", "{deadlocked:?} {}", get(ill, "/v1/report"));

    let (queries, variables) = dashboard();
    assert!(queries.len() > 15);
    for (panel, expr) in queries {
        let filled = filled_in(&expr, pace);
        assert!(!filled.contains('$'), "{panel}: {expr}");
        assert!(!query(at, &filled).is_empty(), "{panel}: nothing for {filled}");
    }
    for variable in variables {
        let inside = variable.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (metric, label) = inside.rsplit_once(", ").unwrap();
        let path = format!("label/{label}/values?match[]={}", encoded(&filled_in(metric, pace)));
        let values = api(at, &path);
        assert!(values.as_array().unwrap().len() >= 2, "{variable}: {values}");
    }
}
