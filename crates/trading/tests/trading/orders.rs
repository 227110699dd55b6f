//! The life of an order, whatever the venue says in whatever order.

use kt_model::{Decimal, Nanos, Side, TimeInForce};
use kt_trading::order::{Change, Intent, NewOrder, Order, OrderState};
use kt_trading::report::{Fill, Liquidity, Outcome};
use proptest::prelude::*;

fn order() -> Order {
    Order::sent(NewOrder {
        client_order_id: "one".into(),
        strategy: 0,
        market: 0,
        side: Side::Buy,
        limit: Decimal(100),
        quantity: Decimal(10),
        time_in_force: TimeInForce::PostOnly,
        intent: Intent::Open,
        sent_at: Nanos(0),
    })
}

#[derive(Clone, Debug)]
enum Said {
    Acknowledged(u8),
    Rejected,
    Filled(u8, i8),
    Cancelled,
    CancelRejected,
    WeAskToCancel,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        (0..2u8).prop_map(Said::Acknowledged),
        Just(Said::Rejected),
        (0..6u8, -1..9i8).prop_map(|(id, quantity)| Said::Filled(id, quantity)),
        Just(Said::Cancelled),
        Just(Said::CancelRejected),
        Just(Said::WeAskToCancel),
    ]
}

fn tell(order: &mut Order, said: &Said) -> Change {
    match said {
        Said::Acknowledged(id) => {
            order.apply(&Outcome::Acknowledged { venue_order_id: if *id == 0 { "v0" } else { "v1" } })
        }
        Said::Rejected => order.apply(&Outcome::Rejected { reason: "r" }),
        Said::Filled(id, quantity) => {
            let fill_id = format!("f{id}");
            let (price, quantity) = (Decimal(100), Decimal((*quantity).into()));
            let fill = Fill { fill_id: &fill_id, price, quantity, fee: Decimal(0), liquidity: Liquidity::Maker };
            order.apply(&Outcome::Filled(fill))
        }
        Said::Cancelled => order.apply(&Outcome::Cancelled { reason: "c" }),
        Said::CancelRejected => order.apply(&Outcome::CancelRejected { reason: "c" }),
        Said::WeAskToCancel => {
            order.cancel_asked = Some(Nanos(1));
            Change::Applied
        }
    }
}

proptest! {
    /// What is booked is the sum of the distinct fills; an end is final; what is impossible changes nothing;
    /// more than ordered is never taken without an alarm.
    #[test]
    fn no_sequence_of_reports_breaks_an_order(saids in proptest::collection::vec(said(), 0..20)) {
        let mut order = order();
        let mut booked = std::collections::BTreeMap::new();
        let mut alarmed = false;
        for said in &saids {
            let before = order.clone();
            let change = tell(&mut order, said);
            let contradicts = matches!(change, Change::Contradiction(_));
            alarmed |= contradicts || matches!(change, Change::Impossible(_));
            if let Said::Filled(id, quantity) = said
                && matches!(change, Change::Applied | Change::LateFill | Change::Contradiction(_))
            {
                prop_assert!(booked.insert(*id, i128::from(*quantity)).is_none(), "a fill booked twice");
            }
            if matches!(change, Change::Impossible(_) | Change::Duplicate) {
                let mut unchanged = order.clone();
                unchanged.cancel_asked = before.cancel_asked;
                prop_assert_eq!(unchanged, before.clone());
            }
            prop_assert!(!before.state.is_final() || order.state.is_final(), "{:?} came back to life", before.state);
            let same_end = before.state == order.state || order.state == OrderState::Filled;
            prop_assert!(!before.state.is_final() || same_end, "{:?} became {:?}", before.state, order.state);
            prop_assert!(order.filled.0 <= order.quantity.0 || alarmed, "overfilled without an alarm");
            prop_assert!(order.filled >= before.filled);
        }
        prop_assert_eq!(order.filled.0, booked.values().sum::<i128>());
        prop_assert!(order.open_quantity().0 >= 0 || alarmed);
    }
}

#[test]
fn an_acknowledgement_may_come_behind_its_fills() {
    let mut order = order();
    assert_eq!(tell(&mut order, &Said::Filled(1, 4)), Change::Applied);
    assert_eq!(order.state, OrderState::Working);
    assert_eq!(tell(&mut order, &Said::Acknowledged(0)), Change::Late);
    assert_eq!((&*order.venue_order_id, order.filled), ("v0", Decimal(4)));
    assert_eq!(tell(&mut order, &Said::Cancelled), Change::Applied);
    assert_eq!(tell(&mut order, &Said::Filled(2, 3)), Change::LateFill, "it traded before it was cancelled");
    assert_eq!(order.filled, Decimal(7));
}
