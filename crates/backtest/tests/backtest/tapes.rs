//! What a tape plays is what was put on it, and a damaged one does not pass for whole.

use kt_backtest::tape::{TapeHeader, TapeReader, TapeWriter};
use kt_model::Nanos;
use kt_signals::Input;
use proptest::prelude::*;

use crate::rows::Seed;

const MARKS: [Input<'static>; 8] = [
    Input::Start(Nanos(1)),
    Input::Configuration { at: Nanos(2), hash: 3, text: "a = 1" },
    Input::Tick(Nanos(4)),
    Input::CatchUp(Nanos(5)),
    Input::KillSwitch { at: Nanos(6), on: true },
    Input::Dropped { writer: "w", epoch: 7, from: 8, to: 9 },
    Input::Report { at: Nanos(10), payload: &[1, 2, 3] },
    Input::Stop(Nanos(11)),
];

/// Writes marks and events in turn; answers what was written, as text.
fn record(path: &std::path::Path, choices: &[(bool, usize, i64)]) -> Vec<String> {
    let mut tape = TapeWriter::create(path, &TapeHeader::new("test")).unwrap();
    let mut written = Vec::new();
    for (number, (is_event, mark, at)) in choices.iter().enumerate() {
        if *is_event {
            let seed = Seed { recv_ts: *at, writer: "w", epoch: 1, counter: number as u64, is_quote: mark % 2 == 0 };
            let event = seed.event();
            let input = Input::event(&event);
            written.push(format!("{input:?}"));
            if mark % 3 == 0 {
                let mut row = Vec::new();
                event.encode(&mut row);
                tape.row(event.kind(), &row).unwrap();
            } else {
                tape.input(&input).unwrap();
            }
        } else {
            written.push(format!("{:?}", MARKS[*mark]));
            tape.input(&MARKS[*mark]).unwrap();
        }
    }
    assert_eq!(tape.finish().unwrap(), choices.len() as u64);
    written
}

fn play(path: &std::path::Path) -> Result<Vec<String>, kt_backtest::BacktestError> {
    let mut played = Vec::new();
    TapeReader::open(path)?.replay(|input| {
        played.push(format!("{input:?}"));
        Ok(())
    })?;
    Ok(played)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn plays_what_was_recorded(choices in proptest::collection::vec((any::<bool>(), 0..8_usize, any::<i64>()), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tape");
        let written = record(&path, &choices);
        prop_assert_eq!(play(&path).unwrap(), written);
    }

    #[test]
    fn damage_is_noticed(at in 0.0..1.0_f64, flip in 1..=255_u8, cut: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tape");
        let choices: Vec<_> = (0..200).map(|number| (number % 3 != 0, number % 8, number as i64)).collect();
        let written = record(&path, &choices);
        let mut bytes = std::fs::read(&path).unwrap();
        let place = ((bytes.len() - 1) as f64 * at) as usize;
        if cut { bytes.truncate(place) } else { bytes[place] ^= flip }
        std::fs::write(&path, &bytes).unwrap();
        // A flip in the header's free text changes no input; everything else must be an error.
        if let Ok(played) = play(&path) {
            prop_assert!(!cut);
            prop_assert_eq!(played, written);
        }
    }
}
