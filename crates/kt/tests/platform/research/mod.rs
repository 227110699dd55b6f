//! Research kernels as their users meet them, and as those would who mean harm: the real gateway behind the proxy, real
//! clients, real kernels.

mod people;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Platform, get, mode, run, wait_for};
use people::{Person, Research, ask, interpreter, token};

const ROOT: &str = "the test does not run as root: kernels of different people are not kept apart";

/// Who comes, and with what.
struct Scene<'a> {
    platform: &'a Platform,
    research: &'a Research,
    alice: Person,
    bob: Person,
    alice_token: String,
    bob_token: String,
    root: bool,
}

#[test]
fn kernels_answer_and_keep_to_their_limits() {
    let (Some(python), Some(_)) = (interpreter("research-gateway"), interpreter("research-kernel")) else {
        println!("SKIP: no Python environments for research; run `make setup`");
        return;
    };
    let mut platform = Platform::new(&["sim.instruments=2", "sim.rate=100", "alerts.enabled=false"]);
    platform.up();
    let research = Research::up(&platform, &["research.kernels_per_user=2"]);
    let (alice_token, alice_file) = token(&platform, "alice", "M");
    let (bob_token, bob_file) = token(&platform, "bob", "S");
    let mut scene = Scene {
        alice: Person::new(&python, &research, &alice_file),
        bob: Person::new(&python, &research, &bob_file),
        platform: &platform,
        research: &research,
        alice_token,
        bob_token,
        root: crate::support::user_of(std::process::id().into()) == 0,
    };
    first_cell(&mut scene);
    requests_are_refused(&scene);
    people_are_kept_apart(&mut scene);
    the_platform_is_out_of_reach(&mut scene);
    the_store_gives_its_prefix(&mut scene);
    limits_hold(&mut scene);
    a_stopped_kernel_leaves_nothing(&mut scene);
    drop(scene);
    assert_eq!(research.stop(), Some(0));
    nothing_is_left(&platform);

    what_does_not_end_is_ended(&platform, &python, &alice_file);

    // Last: notebooks want a market with a past.
    let research = Research::up(&platform, &[]);
    let (_, alice_file) = token(&platform, "alice", "M");
    crate::notebooks::run(&platform, &research.address, &alice_file);
    assert_eq!(research.stop(), Some(0));
    assert_eq!(platform.terminate(), 0);
}

fn first_cell(scene: &mut Scene) {
    let begun = Instant::now();
    let connected = scene.alice.start("kubetrader-s");
    assert_eq!(scene.alice.text("1+1"), "2");
    println!("first cell after {:.2} s (connected after {connected:.2} s)", begun.elapsed().as_secs_f64());
    scene.bob.start("kubetrader-s");
    let again = Instant::now();
    assert_eq!(scene.bob.text("6*7"), "42");
    println!("a second kernel's first cell: {:.2} s after its connection", again.elapsed().as_secs_f64());
    let (_, metrics) = get(&scene.research.metrics, "/metrics");
    for line in metrics.lines().filter(|line| line.starts_with("kt_research_limit_enforced")) {
        println!("{line}");
    }
}

fn requests_are_refused(scene: &Scene) {
    let proxy = &scene.research.address;
    let ask_as = |token: &str, method: &str, path: &str, body: Value| {
        let (status, answer) = ask(proxy, method, path, token, &body);
        assert_ne!(answer["message"].as_str().unwrap_or_default(), "", "{method} {path} {body}: {status} {answer}");
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status: u16, cause: &str| (status, cause.to_owned());
    let wrong = format!("{}0", &scene.alice_token[..scene.alice_token.len() - 1]);
    let wrong = if wrong == scene.alice_token { format!("{}1", &wrong[..wrong.len() - 1]) } else { wrong };
    assert_eq!(ask_as("", "GET", "/api/kernels", Value::Null), refused(401, "no_token"));
    assert_eq!(ask_as(&wrong, "GET", "/api/kernels", Value::Null), refused(401, "wrong_token"));
    assert_eq!(ask_as(&expired(scene.platform), "POST", "/api/kernels", Value::Null), refused(401, "expired_token"));
    for (body, status, cause) in [
        (json!({"name": "kubetrader-l"}), 403, "size"),
        (json!({"name": "ir"}), 400, "size"),
        (json!({"env": {"KERNEL_USERNAME": "bob"}}), 403, "user"),
        (json!({"env": {"KERNEL_UID": "0"}}), 400, "override"),
        (json!({"env": {"KERNEL_IMAGE": "other"}}), 400, "override"),
        (json!({"env": {"KERNEL_MEMORY_LIMIT": "64G"}}), 400, "override"),
        (json!({"env": {"KERNEL_KT_TICKET": "x"}}), 400, "override"),
        (json!({"env": {"LD_PRELOAD": "/tmp/x.so"}}), 400, "override"),
        (json!({"kernel_id": "x"}), 400, "body"),
    ] {
        assert_eq!(ask_as(&scene.alice_token, "POST", "/api/kernels", body.clone()), refused(status, cause), "{body}");
    }
    let alices = format!("/api/kernels/{}", scene.alice.kernel);
    for (method, path) in [
        ("GET", alices.clone()),
        ("DELETE", alices.clone()),
        ("POST", format!("{alices}/interrupt")),
        ("POST", format!("{alices}/restart")),
        ("GET", format!("{alices}/channels")),
        ("GET", "/api/kernels/..%2Fsessions".into()),
    ] {
        assert_eq!(ask_as(&scene.bob_token, method, &path, Value::Null), refused(404, "no_kernel"), "{method} {path}");
    }
    assert_eq!(ask_as(&scene.bob_token, "GET", "/api/sessions", Value::Null), refused(404, "no_address"));
    let (_, own) = ask(proxy, "GET", "/api/kernels", &scene.bob_token, &Value::Null);
    let ids: Vec<_> = own.as_array().expect("a list").iter().map(|kernel| kernel["id"].clone()).collect();
    assert_eq!(ids, [json!(scene.bob.kernel)]);
    let (_, specs) = ask(proxy, "GET", "/api/kernelspecs", &scene.bob_token, &Value::Null);
    assert_eq!(specs["kernelspecs"].as_object().expect("specs").keys().collect::<Vec<_>>(), ["kubetrader-s"]);
    // The gateway itself knows nobody's token but the proxy's.
    for token in ["", scene.alice_token.as_str()] {
        assert_eq!(ask(&scene.research.gateway, "GET", "/api/kernels", token, &Value::Null).0, 401);
    }
    let (status, second) = ask(proxy, "POST", "/api/kernels", &scene.alice_token, &json!({"name": "kubetrader-m"}));
    assert_eq!(status, 201, "{second}");
    let third = json!({"name": "kubetrader-s"});
    assert_eq!(ask_as(&scene.alice_token, "POST", "/api/kernels", third), refused(403, "too_many"));
    let second = format!("/api/kernels/{}", second["id"].as_str().expect("an id"));
    assert_eq!(ask(proxy, "DELETE", &second, &scene.alice_token, &Value::Null).0, 204);
    let audit = fs::read_to_string(scene.platform.data().join("research/audit.jsonl")).expect("an audit log");
    for cause in ["wrong_token", "expired_token", "override", "too_many", "no_kernel"] {
        assert!(audit.lines().any(|line| line.contains(&format!("\"cause\":\"{cause}\""))), "{cause}:\n{audit}");
    }
    assert!(!audit.contains(&scene.alice_token), "tokens are not written down");
}

/// A token whose time is over, by its entry in the file.
fn expired(platform: &Platform) -> String {
    let (text, _) = token(platform, "carol", "S");
    let file = platform.data().join("research/tokens.json");
    assert_eq!(mode(&file), 0o600);
    let mut tokens: Value = serde_json::from_str(&fs::read_to_string(&file).expect("readable")).expect("JSON");
    for token in tokens.as_array_mut().expect("a list") {
        if token["user"] == "carol" {
            token["expires"] = json!(token["created"].as_u64().expect("a time") - 1);
        }
    }
    let new = file.with_extension("test");
    fs::write(&new, tokens.to_string()).and_then(|()| fs::rename(&new, &file)).expect("written");
    text
}

fn people_are_kept_apart(scene: &mut Scene) {
    let alice_pid = scene.alice.text("import os; print(os.getpid())");
    let home = scene.platform.data().join("research/home/alice");
    if !scene.root {
        println!("SKIP (in part): {ROOT}");
        return;
    }
    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&home.join(".kubetrader.json")), 0o600);
    let uids = [&mut scene.alice, &mut scene.bob].map(|person| person.text("import os; print(os.getuid())"));
    assert!(uids[0] != uids[1] && uids.iter().all(|uid| uid.parse::<u32>().is_ok_and(|uid| uid >= 58_000)), "{uids:?}");
    let bob = &mut scene.bob;
    for attack in [
        format!("open('{}/.kubetrader.json').read()", home.display()),
        format!("import os; os.listdir('{}')", home.display()),
        format!("open('/proc/{alice_pid}/environ').read()"),
        format!("open('/proc/{alice_pid}/mem', 'rb').read(1)"),
        format!("import os; os.kill({alice_pid}, 9)"),
        "import os; os.setuid(0)".to_owned(),
    ] {
        assert_eq!(bob.error_of(&attack), "PermissionError", "{attack}");
    }
}

fn the_platform_is_out_of_reach(scene: &mut Scene) {
    let data = scene.platform.data();
    let bob = &mut scene.bob;
    let names = bob.text("import os; print(' '.join(sorted(os.environ)))");
    let own = [
        "AWS_EC2_METADATA_DISABLED",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "FORCE_COLOR",
        "GIT_PAGER",
        "HOME",
        "JPY_PARENT_PID",
        "JUPYTER_RUNTIME_DIR",
        "KUBETRADER_KERNEL",
        "LANG",
        "LC_CTYPE",
        "LOGNAME",
        "MPLBACKEND",
        "PAGER",
        "PATH",
        "PYDEVD_USE_FRAME_EVAL",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PYTHONWARNINGS",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
    ];
    assert!(names.split(' ').all(|name| own.contains(&name)), "{names}");
    for path in ["secrets", "logs", "run", "run/control.sock", "research/tokens.json", "research/audit.jsonl"] {
        let path = data.join(path);
        let attack = format!("import os; os.listdir('{0}') if os.path.isdir('{0}') else open('{0}')", path.display());
        let error = bob.error_of(&attack);
        assert!(["PermissionError", "FileNotFoundError"].contains(&error.as_str()), "{attack}: {error}");
    }
    let confined = audit_lines(scene.platform).iter().any(|line| line["detail"] == "landlock");
    if !confined {
        println!("SKIP (in part): this kernel has no Landlock, so a research kernel's connections are not confined");
        return;
    }
    let bob = &mut scene.bob;
    for port in [4222, 8123, 5433, 8890, 8891] {
        let attack =
            format!("import socket; socket.create_connection(('127.0.0.1', {}))", port + scene.platform.offset);
        assert_eq!(bob.error_of(&attack), "PermissionError", "{attack}");
    }
    assert_eq!(bob.error_of("open('/tmp/left-behind', 'w')"), "PermissionError");
    assert_eq!(bob.error_of("import pathlib; pathlib.Path.home().joinpath('kept.txt').write_text('x')"), "no error");
}

fn the_store_gives_its_prefix(scene: &mut Scene) {
    let connect = "import json, os, pyarrow.fs\n\
        s3 = json.load(open(os.path.expanduser('~/.kubetrader.json')))['s3']\n\
        store = pyarrow.fs.S3FileSystem(access_key=s3['access_key'], secret_key=s3['secret_key'],\n\
            endpoint_override=s3['endpoint'], region='us-east-1', scheme='http')\n\
        def put(path):\n    with store.open_output_stream(path) as out: out.write(b'abc')\n\
        def get(path):\n    with store.open_input_stream(path) as text: return text.read()\n\
        own = s3['bucket'] + '/' + s3['prefix']";
    scene.alice.text(connect);
    scene.bob.text(connect);
    assert_eq!(scene.alice.text("put(own + 'x'); print(get(own + 'x'))"), "b'abc'");
    let bob = &mut scene.bob;
    for attack in [
        "get('experiments/people/alice/x')",
        "put('experiments/people/alice/y')",
        "put('experiments/y')",
        "put('cold/y')",
    ] {
        assert_eq!(bob.error_of(attack), "OSError", "{attack}");
    }
}

fn limits_hold(scene: &mut Scene) {
    let (_, metrics) = get(&scene.research.metrics, "/metrics");
    let by = |resource: &str| {
        let line = metrics.lines().find(|line| line.contains(&format!("resource=\"{resource}\""))).expect("a metric");
        line.split("by=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a way").to_owned()
    };
    if by("processes") == "nothing" {
        println!("SKIP (in part): nothing here limits the number of processes");
    } else {
        let forks = "import os, time\nchildren = []\ntry:\n    while len(children) < 2000:\n        child = os.fork()\n\
            \x20       if child == 0:\n            time.sleep(60)\n            os._exit(0)\n        children.append(child)\n\
            except OSError as error:\n    pass\nfor child in children:\n    os.kill(child, 9)\n    os.waitpid(child, 0)\n\
            print(len(children))";
        let forked: u32 = scene.alice.text(forks).parse().expect("a number");
        println!("fork bomb: {forked} processes (limit 128, by {})", by("processes"));
        assert!((1..128).contains(&forked));
    }
    if by("cpu") == "nothing" {
        println!("SKIP (in part): nothing here limits processor time");
    } else {
        let burn = "import multiprocessing, os, time\nbegun = time.monotonic()\npids = []\nfor _ in range(2):\n    pid = os.fork()\n\
            \x20   if pid == 0:\n        while time.monotonic() < begun + 2: pass\n        os._exit(0)\n    pids.append(pid)\n\
            used = 0.0\nfor pid in pids:\n    usage = os.wait4(pid, 0)[2]\n    used += usage.ru_utime + usage.ru_stime\n\
            print(used / (time.monotonic() - begun))";
        let used: f64 = scene.alice.text(burn).parse().expect("a number");
        println!("two busy processes together: {used:.2} processors (limit 1.0, by {})", by("cpu"));
        assert!(used < 1.2, "{used}");
    }
    let bomb = "hoard = []\nwhile True: hoard.append(bytearray(32 << 20))";
    let answer = scene.alice.cell(bomb, 60);
    println!("memory bomb: {} {} (by {})", answer["status"], answer["error"], by("memory"));
    if by("memory") == "rlimit" {
        assert_eq!(answer["error"], "MemoryError: ");
    } else {
        assert_eq!(answer["status"], "died", "{answer:#}");
        let ended = |line: &Value| line["what"] == "ended" && line["cause"] == "memory" && line["user"] == "alice";
        wait_for("the audit to name the cause", Duration::from_secs(10), || {
            audit_lines(scene.platform).iter().any(ended).then_some(())
        });
        scene.alice.connect();
    }
    // The same kernel, started again within the same limits.
    let again = wait_for("the kernel to be back", Duration::from_secs(30), || {
        Some(scene.alice.cell("print('back')", 10)).filter(|answer| answer["status"] == "ok")
    });
    assert_eq!(again["text"], "back\n");
    assert_eq!(scene.bob.text("print('undisturbed')"), "undisturbed");
}

fn audit_lines(platform: &Platform) -> Vec<Value> {
    let text = fs::read_to_string(platform.data().join("research/audit.jsonl")).expect("an audit log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn a_stopped_kernel_leaves_nothing(scene: &mut Scene) {
    // What would like to outlive it: two generations away, in a session of its own.
    let spawn = "import subprocess; subprocess.Popen('setsid sleep 300 & sleep 301 &', shell=True); print('started')";
    assert_eq!(scene.alice.text(spawn), "started");
    for person in [&mut scene.alice, &mut scene.bob] {
        let kernel = person.kernel.clone();
        assert!(!marked(&kernel).is_empty());
        person.stop();
        assert_eq!(left(scene.platform, &kernel), Vec::<String>::new());
    }
    for user in ["alice", "bob"] {
        assert!(!scene.platform.data().join(format!("research/home/{user}/.kubetrader.json")).exists());
    }
    assert_eq!(files(&scene.platform.data().join("warehouse/accounts")), Vec::<String>::new());
    assert_eq!(files(&scene.platform.data().join("secrets/s3/guests")), Vec::<String>::new());
}

/// Processes that carry a kernel's mark.
fn marked(kernel: &str) -> Vec<String> {
    let mark = format!("KUBETRADER_KERNEL={kernel}");
    let named = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    files(Path::new("/proc")).into_iter().filter(named).collect()
}

/// What is left of a kernel: processes, control groups, files.
fn left(platform: &Platform, kernel: &str) -> Vec<String> {
    let mut left = marked(kernel);
    let find = std::process::Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", kernel]).output();
    left.extend(String::from_utf8_lossy(&find.expect("find").stdout).lines().map(str::to_owned));
    left.extend(files(&platform.data().join("research/run")).into_iter().filter(|name| name == kernel));
    left
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// After the service: no kernel's folder, and no process that was told of a folder of this platform's users.
fn nothing_is_left(platform: &Platform) {
    assert_eq!(files(&platform.data().join("research/run")), Vec::<String>::new());
    let homes = platform.data().join("research/home").display().to_string();
    let ours = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&homes)
    };
    let left: Vec<String> = files(Path::new("/proc")).into_iter().filter(ours).collect();
    assert_eq!(left, Vec::<String>::new());
}

fn what_does_not_end_is_ended(platform: &Platform, python: &Path, token: &Path) {
    let short = ["research.cell_s=4", "research.idle_s=5"];
    let research = Research::up(platform, &short);
    let mut alice = Person::new(python, &research, token);
    alice.start("kubetrader-s");
    let answer = alice.cell("while True: pass", 60);
    assert_eq!(
        answer["error"].as_str().map(|error| error.split(':').next().expect("a name")),
        Some("KeyboardInterrupt")
    );
    println!("an endless cell was interrupted after {:.1} s", answer["seconds"].as_f64().expect("a number"));
    let stubborn = "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass";
    let first = alice.kernel.clone();
    alice.cell(stubborn, 1);
    let ended = |kernel: &str, cause: &str| {
        let lines = audit_lines(platform);
        let found =
            lines.iter().any(|line| line["what"] == "ended" && line["kernel"] == kernel && line["cause"] == cause);
        (found && left(platform, kernel).is_empty()).then_some(())
    };
    wait_for("a cell that ignores the interrupt to be ended", Duration::from_secs(60), || ended(&first, "busy"));
    alice.start("kubetrader-s");
    let idle = alice.kernel.clone();
    assert_eq!(alice.text("1+1"), "2");
    wait_for("an idle kernel to be ended", Duration::from_secs(60), || ended(&idle, "idle"));

    // A service that is killed leaves nothing for long either.
    alice.start("kubetrader-s");
    let spawn = "import subprocess; subprocess.Popen(['setsid', 'sleep', '300']); print('started')";
    assert_eq!(alice.text(spawn), "started");
    let orphan = alice.kernel.clone();
    research.kill();
    let research = Research::up(platform, &short);
    wait_for("what a killed service left to be ended", Duration::from_secs(20), || {
        left(platform, &orphan).is_empty().then_some(())
    });
    let (code, _, error) = run(&mut platform.kt(&["research", "revoke", "alice"]));
    assert_eq!(code, 0, "{error}");
    let text = fs::read_to_string(token).expect("a token");
    let (status, answer) = ask(&research.address, "GET", "/api/kernels", text.trim(), &Value::Null);
    assert_eq!((status, answer["error"].as_str()), (401, Some("revoked_token")));
    assert!(fs::metadata(format!("/proc/{}", research.pid())).is_ok());
    assert_eq!(research.stop(), Some(0));
    nothing_is_left(platform);
}
