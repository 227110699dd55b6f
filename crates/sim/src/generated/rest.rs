//! The REST side of the generated market.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Side;
use super::encode::{Decimal, Put};
use super::funding::CAP;
use super::instrument::{Instrument, Scale, power};
use super::market::Market;
use super::past;
use crate::command::Answer;
use crate::query::Target;

/// Answers a request at `now`, milliseconds since the epoch.
pub(super) fn answer(market: &Market, side: Side, target: &Target, now: i64) -> Answer {
    let api = match side {
        Side::Spot => target.path.strip_prefix("/api/v3/").or(target.path.strip_prefix("/api/v1/")),
        Side::Perpetual => target.path.strip_prefix("/fapi/v1/"),
    };
    match (api, side) {
        (Some("ping"), _) => Answer::ok("{}"),
        (Some("time"), _) => Answer::ok(json!({"serverTime": now}).to_string()),
        (Some("depth"), _) => depth(market, side, target, now),
        (Some("exchangeInfo"), Side::Spot) => Answer::ok(spot_info(market, target, now).to_string()),
        (Some("exchangeInfo"), Side::Perpetual) => Answer::ok(futures_info(market, now).to_string()),
        (Some("fundingInfo"), Side::Perpetual) => Answer::ok(funding_info(market).to_string()),
        (Some("premiumIndex"), Side::Perpetual) => premium_index(market, target, now),
        (resource, _) => {
            resource.and_then(|resource| past::answer(market, side, resource, target, now)).unwrap_or_else(|| {
                let text = format!("{} is not simulated at {}", target.path, side.venue());
                Answer::refuse(StatusCode::NOT_FOUND, -1, &text)
            })
        }
    }
}

fn unknown_symbol() -> Answer {
    Answer::refuse(StatusCode::BAD_REQUEST, -1121, "Invalid symbol.")
}

fn depth(market: &Market, side: Side, target: &Target, now: i64) -> Answer {
    let default = if side == Side::Spot { 100 } else { 500 };
    let limit = match target.get("limit").map(str::parse::<usize>) {
        None => default,
        Some(Ok(limit)) if limit > 0 => limit.min(5000),
        Some(_) => {
            return Answer::refuse(StatusCode::BAD_REQUEST, -1130, "Data sent for parameter 'limit' is not valid.");
        }
    };
    match target.get("symbol").and_then(|symbol| market.listing(side, symbol)) {
        Some(listing) => Answer::ok(listing.snapshot(limit, now)),
        None => unknown_symbol(),
    }
}

fn text(value: Decimal) -> String {
    let mut buffer = Vec::new();
    value.put(&mut buffer);
    String::from_utf8(buffer).expect("decimals are ASCII")
}

fn lots(scale: &Scale, lots: i64) -> String {
    text(scale.quantity(lots))
}

fn price_filter(scale: &Scale) -> Value {
    json!({
        "filterType": "PRICE_FILTER",
        "minPrice": text(scale.price(1)),
        "maxPrice": text(Decimal(1_000_000 * power(scale.price_decimals), scale.price_decimals)),
        "tickSize": text(scale.price(1)),
    })
}

fn lot_filter(name: &str, scale: &Scale) -> Value {
    json!({"filterType": name, "minQty": lots(scale, 1), "maxQty": lots(scale, 9_000_000), "stepSize": lots(scale, 1)})
}

fn rate_limits() -> Value {
    json!([
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    ])
}

fn spot_info(market: &Market, target: &Target, now: i64) -> Value {
    let wanted = |instrument: &&Instrument| target.get("symbol").is_none_or(|symbol| symbol == instrument.symbol);
    let symbols: Vec<Value> = market.instruments.iter().filter(wanted).map(spot_symbol).collect();
    json!({"timezone": "UTC", "serverTime": now, "rateLimits": rate_limits(), "exchangeFilters": [], "symbols": symbols})
}

fn spot_symbol(instrument: &Instrument) -> Value {
    let scale = instrument.scale(Side::Spot);
    json!({
        "symbol": instrument.symbol,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": true,
        "ocoAllowed": true,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": true,
        "cancelReplaceAllowed": true,
        "isSpotTradingAllowed": true,
        "isMarginTradingAllowed": true,
        "filters": [
            price_filter(&scale),
            lot_filter("LOT_SIZE", &scale),
            {"filterType": "MIN_NOTIONAL", "minNotional": "5.00000000", "applyToMarket": true, "avgPriceMins": 5},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": true, "maxNotional": "9000000.00000000", "applyMaxToMarket": false, "avgPriceMins": 5},
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    })
}

fn futures_info(market: &Market, now: i64) -> Value {
    let symbols: Vec<Value> = market.instruments.iter().map(futures_symbol).collect();
    json!({
        "timezone": "UTC",
        "serverTime": now,
        "futuresType": "U_MARGINED",
        "rateLimits": rate_limits(),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000"}],
        "symbols": symbols,
    })
}

fn futures_symbol(instrument: &Instrument) -> Value {
    let scale = instrument.scale(Side::Perpetual);
    json!({
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000i64,
        "onboardDate": past::ONBOARD,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": scale.price_decimals,
        "quantityPrecision": scale.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            price_filter(&scale),
            lot_filter("LOT_SIZE", &scale),
            lot_filter("MARKET_LOT_SIZE", &scale),
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    })
}

fn funding_info(market: &Market) -> Value {
    let cap = (CAP * 1e8).round() as i64;
    let entry = |instrument: &Instrument| {
        json!({
            "symbol": instrument.symbol,
            "adjustedFundingRateCap": text(Decimal(cap, 8)),
            "adjustedFundingRateFloor": text(Decimal(-cap, 8)),
            "fundingIntervalHours": instrument.funding_hours,
            "disclaimer": false,
        })
    };
    market.instruments.iter().map(entry).collect()
}

fn premium_index(market: &Market, target: &Target, now: i64) -> Answer {
    let entry = |index: usize| {
        let funding = &market.fundings[index];
        json!({
            "symbol": market.instruments[index].symbol,
            "markPrice": text(Decimal(funding.mark, 8)),
            "indexPrice": text(Decimal(funding.index, 8)),
            "estimatedSettlePrice": text(Decimal(funding.index, 8)),
            "lastFundingRate": text(Decimal(funding.rate, 8)),
            "interestRate": "0.00010000",
            "nextFundingTime": funding.next_settlement(now),
            "time": now,
        })
    };
    let count = market.instruments.len();
    match target.get("symbol") {
        None => Answer::ok(Value::from_iter((0..count).map(entry)).to_string()),
        Some(symbol) => match (0..count).find(|index| market.instruments[*index].symbol == symbol) {
            Some(index) => Answer::ok(entry(index).to_string()),
            None => unknown_symbol(),
        },
    }
}
