//! What a book says of itself.

use crate::book::Book;
use crate::rows::RowHead;
use crate::sink::Sink;
use crate::state::{Place, status};
use kt_model::{BookAction, Event, Header, Label, Quote, State, Status};

/// Announces a crossed book once per episode.
pub(crate) fn note_crossing<S: Sink + ?Sized>(book: &mut Book, header: Header<'_>, sink: &mut S) {
    let is_crossed = book.levels.is_crossed();
    if is_crossed && !book.is_crossed {
        book.statistics.crossed += 1;
        let crossed = status(header, State::Suspect, "crossed_book");
        sink.event(&Event::Status(Status { affected: Label("book"), ..crossed }));
    }
    book.is_crossed = is_crossed;
}

/// Emits the whole book as we hold it.
pub(crate) fn checkpoint<S: Sink + ?Sized>(
    rows: &mut crate::rows::RowBuffers,
    book: &Book,
    header: Header<'_>,
    depth_limit: Option<u32>,
    place: &Place<'_>,
    sink: &mut S,
) {
    rows.fill_book(&book.levels);
    let head = RowHead {
        header,
        action: BookAction::Checkpoint,
        book_epoch: book.epoch,
        first_sequence: None,
        last_sequence: book.last,
        previous_sequence: None,
        depth_limit,
        quantity_unit: place.info.quantity_unit,
    };
    rows.with_row(&book.levels, head, |row| sink.event(&Event::Book(*row)));
}

/// The best levels as a quote.
pub(super) fn best<'a>(header: Header<'a>, book: &Book, place: &Place<'_>) -> Quote<'a> {
    use crate::levels::BookSide;
    let levels = &book.levels;
    let bid = levels.mantissas(BookSide::Bid).next();
    let ask = levels.mantissas(BookSide::Ask).next();
    Quote {
        header,
        sequence: book.last,
        bid_price: bid.map(|(price, _)| levels.price(price)),
        bid_quantity: bid.map(|(_, quantity)| levels.quantity(quantity)),
        ask_price: ask.map(|(price, _)| levels.price(price)),
        ask_quantity: ask.map(|(_, quantity)| levels.quantity(quantity)),
        quantity_unit: place.info.quantity_unit,
    }
}
