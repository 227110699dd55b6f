//! Statements, parameters, formats, sessions, errors.

use kt_warehouse::client::Options;

use crate::harness::{Setup, directory};

pub async fn round_trip() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    let none = Options::new();
    assert_eq!(client.query_bytes("SELECT 1", &none).await.unwrap().as_ref(), b"1\n");
    println!("{}", warehouse.setup.read_log());
    let (code, seconds) = warehouse.stop();
    assert_eq!(code, Some(0));
    println!("{seconds}");
}
