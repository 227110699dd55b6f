//! Properties of decimals, codec, blocks and instrument ids.

mod codec;
mod decimal;
mod instrument;
mod reference_page;
