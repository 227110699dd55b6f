//! The platform comes up, survives the death of each service, and goes down without a trace.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, get, mode, run, signal, user_of};

#[test]
fn every_killed_service_comes_back_and_nothing_is_left() {
    let mut platform = Platform::new(&[]);
    let address = platform.up();
    let status = platform.status();
    assert_eq!((status["phase"].as_str(), status["address"].as_str()), (Some("ready"), Some(address.as_str())));
    assert_eq!(get(&address, "/").0, 200, "the page answers");
    let secrets = platform.data().join("secrets");
    assert_eq!((mode(&secrets), mode(&secrets.join("postgres-password"))), (0o700, 0o600));

    second_supervisor_is_refused(&platform);
    engines_do_not_run_as_root(&status);

    let services = status["services"].as_array().expect("services").clone();
    let running: Vec<_> =
        services.iter().filter(|service| service["state"] == "healthy" && service["pid"].is_u64()).collect();
    assert!(running.len() >= 4, "{services:?}");
    for service in running {
        assert!(service["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{service}");
        let name = service["service"].as_str().expect("name");
        let (code, _, err) = run(&mut platform.kt(&["kill", name, "--signal", "9"]));
        assert_eq!(code, 0, "{err}");
        let again = crate::support::wait_for(&format!("{name} to come back"), Duration::from_secs(60), || {
            Some(platform.service(name)).filter(|now| now["state"] == "healthy" && now["pid"] != service["pid"])
        });
        assert_eq!(again["restarts"], 1, "{again}");
    }
    assert_eq!(get(&address, "/").0, 200, "the page answers again");
    history_tells_what_happened(&platform);

    let processes = platform.processes();
    assert!(processes.len() > 5, "{processes:?}");
    assert_eq!(platform.terminate(), 0);
    platform.assert_nothing_left(&processes, Duration::from_secs(2));
    let (code, _, err) = run(&mut platform.kt(&["status"]));
    assert_eq!(code, 1);
    assert!(err.contains("no platform runs on"), "{err}");
}

fn second_supervisor_is_refused(platform: &Platform) {
    let (code, _, err) = run(&mut platform.kt_with_settings(&["up"]));
    let pid = platform.supervisor.as_ref().expect("runs").id();
    assert_eq!(code, 1);
    assert!(err.contains("a platform already runs") && err.contains(&format!("process {pid}")), "{err}");
}

fn engines_do_not_run_as_root(status: &Value) {
    for service in status["services"].as_array().expect("services") {
        let name = service["service"].as_str().expect("name");
        if ["nats", "postgres", "warehouse"].contains(&name) {
            assert_ne!(user_of(service["pid"].as_u64().expect("runs")), 0, "{name} runs as root");
        }
    }
}

fn history_tells_what_happened(platform: &Platform) {
    let (code, out, err) = run(&mut platform.kt(&["status", "--history", "--json", "--limit", "200"]));
    assert_eq!(code, 0, "{err}");
    let events: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    for name in ["nats", "postgres", "warehouse"] {
        let of = |kind: &str| events.iter().filter(|event| event["service"] == name && event["kind"] == kind).count();
        assert_eq!((of("started"), of("exited")), (2, 1), "{name}: {out}");
        let exit = events.iter().find(|event| event["service"] == name && event["kind"] == "exited");
        assert!(exit.is_some_and(|event| event["cause"].as_str().is_some_and(|cause| cause.contains("signal 9"))));
    }
}

#[test]
fn detached_platform_notices_a_frozen_service_and_goes_down_although_one_is_stuck() {
    let settings = [
        "supervisor.health_interval_ms=100",
        "supervisor.health_timeout_ms=300",
        "supervisor.unhealthy_after=2",
        "supervisor.stop_timeout_s=2",
        "console.enabled=false",
    ];
    let platform = Platform::new(&settings);
    let (code, out, err) = run(&mut platform.kt_with_settings(&["up", "--detach"]));
    assert!(code == 0 && out.contains("is ready"), "{code} {out}{err}");
    let (code, out, _) = run(&mut platform.kt_with_settings(&["up", "--detach"]));
    assert!(code == 0 && out.contains("already runs"), "a second start is content: {code} {out}");

    let pid = u32::try_from(platform.service("nats")["pid"].as_u64().expect("runs")).expect("a pid");
    signal(pid, "STOP");
    let frozen = platform.wait_for_state("nats", "unhealthy");
    assert!(frozen["detail"].as_str().is_some_and(|detail| detail.contains("no answer")), "{frozen}");
    assert_eq!(run(&mut platform.kt(&["status"])).0, 1, "status says that not all is up");
    signal(pid, "CONT");
    let healthy = platform.wait_for_state("nats", "healthy");
    assert_eq!((healthy["pid"].as_u64(), &healthy["restarts"]), (Some(pid.into()), &Value::from(0)));

    let (code, _, err) = run(&mut platform.kt(&["restart", "nats"]));
    assert_eq!(code, 0, "{err}");
    crate::support::wait_for("nats to be restarted", Duration::from_secs(30), || {
        Some(platform.service("nats")).filter(|now| now["state"] == "healthy" && now["pid"] != u64::from(pid))
    });
    let (code, _, err) = run(&mut platform.kt(&["restart", "nosuch"]));
    assert!(code == 1 && err.contains("postgres, nats, s3, warehouse"), "{err}");

    let pid = platform.service("nats")["pid"].as_u64().expect("runs");
    signal(u32::try_from(pid).expect("a pid"), "STOP");
    let (code, out, err) = run(&mut platform.kt(&["down"]));
    assert!(code == 0 && out.contains("is stopped"), "{code} {out}{err}");
    platform.assert_nothing_left(&[], Duration::from_secs(2));
    let (_, logs, _) = run(&mut platform.kt(&["logs", "supervisor", "--json", "-n", "1000"]));
    assert!(logs.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "every line is JSON");
    assert!(logs.contains("killed: did not stop in time"), "{logs}");
    assert!(run(&mut platform.kt(&["down"])).1.contains("no platform runs"), "down twice is fine");
}
