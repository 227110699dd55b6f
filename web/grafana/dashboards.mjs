// What stands on which dashboard. Charts come from web/panels; tables and single numbers are Grafana's own.

/** [kind, panel, width of 24, height, title of a native panel] */
export const DASHBOARDS = [
  {
    uid: 'kt-basis',
    file: 'basis.json',
    title: 'Basis analytics',
    range: 'now-1h',
    panels: [
      ['table', 'basis_scanner', 24, 10, 'Scanner, net of costs'],
      ['chart', 'basis_series', 24, 12],
      ['chart', 'basis_histogram', 12, 9],
      ['chart', 'basis_term', 12, 9],
      ['chart', 'book_depth', 24, 10],
    ],
  },
  {
    uid: 'kt-funding',
    file: 'funding.json',
    title: 'Funding',
    range: 'now-24h',
    panels: [
      ['chart', 'funding_heat', 24, 10],
      ['chart', 'funding_series', 12, 9],
      ['chart', 'funding_carry', 12, 9],
    ],
  },
  {
    uid: 'kt-orders',
    file: 'orders.json',
    title: 'Order drill-down',
    range: 'now-24h',
    panels: [
      ['table', 'orders_blotter', 24, 10, 'Orders'],
      ['chart', 'order_steps', 14, 11],
      ['chart', 'order_markout', 10, 11],
      ['table', 'order_steps', 24, 10, 'Steps, and the book at each'],
    ],
  },
  {
    uid: 'kt-pipeline',
    file: 'pipeline.json',
    title: 'Pipeline',
    range: 'now-1h',
    panels: [
      ['stat', 'audit_history', 24, 5, 'Last audit', ['lost', 'duplicated', 'gaps', 'accepted', 'landed']],
      ['chart', 'pipeline_rows', 24, 9],
      ['chart', 'coverage_calendar', 24, 8],
      ['chart', 'storage_tables', 12, 10],
      ['table', 'storage_disks', 12, 10, 'Disks'],
      ['chart', 'storage_tiers', 24, 8],
    ],
  },
];

export const VARIABLES = {
  id: {
    label: 'Order',
    query: 'SELECT client_order_id FROM marts.order_life ORDER BY decided_ts DESC LIMIT 500',
  },
  venue: {
    label: 'Venue',
    query: "SELECT DISTINCT venue FROM marts.quote_newest WHERE instrument LIKE '%-PERP' ORDER BY venue",
  },
  instrument: {
    label: 'Instrument',
    query:
      "SELECT DISTINCT instrument FROM marts.quote_newest WHERE venue = ${venue:sqlstring} AND instrument LIKE '%-PERP' ORDER BY instrument != 'BTC-USDT-USDT-PERP', instrument",
  },
};
