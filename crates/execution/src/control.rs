//! The kill switch as others throw it: `ops.v1.kill-switch.trade`, JSON both ways.

use std::time::Duration;

use kt_bus::{Bus, OperationsRequest};
use kt_journal::intake::Command;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::error::ExecutionError;

/// Topic of the kill switch.
pub const KILL_SWITCH_TOPIC: &str = "kill-switch";
/// The service that answers.
pub const SERVICE: &str = "trade";
/// How long the desk may take to obey.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillSwitchQuestion {
    /// `true` forbids trading, `false` allows it again; absent only asks.
    pub on: Option<bool>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillSwitchAnswer {
    /// Whether trading is forbidden now.
    pub halted: bool,
    /// Orders that have not ended.
    pub open_orders: usize,
    /// What is wrong; empty when it was done.
    pub problem: String,
}

/// Where the desk stands, for those who ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub halted: bool,
    pub open_orders: usize,
}

/// Answers until the connection ends.
pub(crate) async fn answer(
    bus: Bus,
    commands: mpsc::Sender<Command>,
    standing: watch::Receiver<Standing>,
) -> Result<(), ExecutionError> {
    let mut requests = bus.answer(KILL_SWITCH_TOPIC, SERVICE).await?;
    while let Some(request) = requests.next().await {
        let answer = obey(&request, &commands, standing.clone()).await;
        if let Err(error) = request.answer(&answer).await {
            tracing::warn!(%error, "an answer about the kill switch could not be sent");
        }
    }
    Ok(())
}

async fn obey(
    request: &OperationsRequest,
    commands: &mpsc::Sender<Command>,
    mut standing: watch::Receiver<Standing>,
) -> KillSwitchAnswer {
    let mut problem = String::new();
    match request.question::<KillSwitchQuestion>() {
        Err(error) => problem = format!("not a question about the kill switch: {error}"),
        Ok(KillSwitchQuestion { on: None }) => {}
        Ok(KillSwitchQuestion { on: Some(on) }) => {
            tracing::warn!(on, "the kill switch is thrown by command");
            let told = commands.send(Command::KillSwitch(on)).await.is_ok();
            let done = tokio::time::timeout(PATIENCE, standing.wait_for(|standing| standing.halted == on)).await;
            if !told || !matches!(done, Ok(Ok(_))) {
                problem = format!("the desk did not obey within {} s", PATIENCE.as_secs());
            }
        }
    }
    let Standing { halted, open_orders } = *standing.borrow();
    KillSwitchAnswer { halted, open_orders, problem }
}
