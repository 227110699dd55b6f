//! The server through its own client: buckets of others, long lists, a full disk, requests without a signature.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use kt_s3::{S3Client, S3Config, S3Error, S3User, serve};

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("an address")
}

fn config(directory: &Path, keep_free: u64) -> S3Config {
    let user = |name: &str, bucket: &str| S3User {
        access_key: name.to_owned(),
        secret_key: format!("{name}-secret"),
        buckets: vec![bucket.to_owned()],
    };
    S3Config {
        listen: free(),
        operations: free(),
        directory: directory.to_owned(),
        buckets: vec!["own".to_owned(), "other".to_owned()],
        users: vec![user("alice", "own"), user("bob", "other")],
        guests: None,
        keep_free,
        free_bytes: |_| Ok(1000),
    }
}

fn client(config: &S3Config, user: &str, secret: &str, bucket: &str) -> S3Client {
    S3Client::new(&format!("http://{}", config.listen), bucket, user, secret, Duration::from_secs(10))
        .expect("a client")
}

/// Starts a server; it ends when the sender is dropped.
async fn start(config: &S3Config) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Result<(), S3Error>>) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(config.clone(), async move { drop(stopped.await) }));
    while tokio::net::TcpStream::connect(config.listen).await.is_err() {
        assert!(!served.is_finished(), "the server ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (stop, served)
}

#[tokio::test]
async fn each_user_has_its_bucket_and_no_other() {
    let directory = tempfile::tempdir().expect("directory");
    let config = config(directory.path(), 0);
    let (stop, served) = start(&config).await;
    client(&config, "alice", "alice-secret", "own").probe("dir/object").await.expect("her own bucket");
    for (user, secret, bucket) in [
        ("alice", "alice-secret", "other"),
        ("alice", "bob-secret", "own"),
        ("nobody", "alice-secret", "own"),
        ("alice", "alice-secret", "new"),
    ] {
        let refused = client(&config, user, secret, bucket);
        for outcome in [refused.probe("x").await, refused.list("").await.map(drop), refused.delete("dir/object").await]
        {
            assert!(matches!(outcome, Err(S3Error::Denied { .. })), "{user} on {bucket}: {outcome:?}");
        }
    }
    // Without a signature nothing is answered but that one is wanted.
    let answer = reqwest::get(format!("http://{}/own/dir/object", config.listen)).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 403);
    let metrics = reqwest::get(format!("http://{}/metrics", config.operations)).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("kt_s3_refused_total{cause=\"forbidden\"}"), "{metrics}");
    assert!(metrics.contains("kt_s3_refused_total{cause=\"anonymous\"} 1"), "{metrics}");
    drop(stop);
    served.await.expect("no panic").expect("stops in order");
    let gone = client(&config, "alice", "alice-secret", "own").probe("x").await;
    assert!(matches!(gone, Err(S3Error::Unreachable { .. })), "{gone:?}");
}

#[tokio::test]
async fn lists_are_read_to_their_end_and_a_full_disk_refuses_writes_only() {
    let directory = tempfile::tempdir().expect("directory");
    let open = config(directory.path(), 0);
    let (stop, served) = start(&open).await;
    for number in 0..2_345 {
        let folder = directory.path().join(format!("own/p{}", number % 7));
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(folder.join(number.to_string()), vec![0; number % 5]).expect("object");
    }
    let alice = client(&open, "alice", "alice-secret", "own");
    let all = alice.list("").await.expect("a list");
    let keys: std::collections::BTreeSet<_> = all.iter().map(|object| object.key.as_str()).collect();
    assert_eq!((all.len(), keys.len()), (2_345, 2_345));
    assert_eq!(alice.list("p3/").await.expect("a list").len(), (0..2_345).filter(|number| number % 7 == 3).count());
    drop(stop);
    served.await.expect("no panic").expect("stops in order");

    let full = config(directory.path(), 2000);
    let (stop, served) = start(&full).await;
    let alice = client(&full, "alice", "alice-secret", "own");
    let refused = alice.probe("x").await;
    assert!(matches!(refused, Err(S3Error::Full { .. })), "{refused:?}");
    assert_eq!(alice.list("").await.expect("reading goes on").len(), 2_345);
    alice.delete("p0/0").await.expect("removing makes room");
    drop(stop);
    served.await.expect("no panic").expect("stops in order");
}
