//! The supervisor itself is killed.

use std::time::Duration;

use crate::support::{Platform, get, run, signal};

#[test]
fn killed_supervisor_leaves_no_process_and_the_next_one_continues() {
    let mut platform = Platform::new(&[]);
    platform.up();
    let insert = "CREATE TABLE marts.kept ENGINE = MergeTree ORDER BY n AS SELECT number AS n FROM numbers(1000)";
    let (code, _, err) = run(&mut platform.kt(&["query", insert]));
    assert_eq!(code, 0, "{err}");
    let processes = platform.processes();
    let mut supervisor = platform.supervisor.take().expect("runs");
    signal(supervisor.id(), "KILL");
    supervisor.wait().expect("ends");
    platform.assert_nothing_left(&processes, Duration::from_secs(15));

    let address = platform.up();
    assert_eq!(get(&address, "/").0, 200);
    let (code, out, err) = run(&mut platform.kt(&["query", "SELECT count(), max(n) FROM marts.kept", "--csv"]));
    assert_eq!((code, out.lines().nth(1)), (0, Some("1000,999")), "{err}");
    let processes = platform.processes();
    assert_eq!(platform.terminate(), 0);
    platform.assert_nothing_left(&processes, Duration::from_secs(2));
}
