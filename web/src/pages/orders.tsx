import { numbers, texts } from '../../panels/columns.js';
import { orderMarkout } from '../../panels/order_markout.js';
import { orderSteps } from '../../panels/order_steps.js';
import { ChartPanel, everyMs, Tools } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { Grid, type GridColumn } from '../components/grid.js';
import { Empty, Panel, State } from '../components/panel.js';
import type { Address } from '../data/address.js';
import { type PanelAnswer, panelPath, usePanel } from '../data/panel.js';
import type { Polled } from '../data/poll.js';
import { delay, moment, signed } from '../format.js';
import type { PageProps } from './page.js';

interface Order {
  id: string;
  text: (name: string) => string;
  number: (name: string) => number | null;
}

function ordersOf(answer: PanelAnswer | null): Order[] {
  const columns = answer?.answer.data ?? {};
  return texts(columns, 'client_order_id').map((id, row) => ({
    id,
    text: (name) => texts({ it: [columns[name]?.[row]] }, 'it')[0] ?? '',
    number: (name) => numbers({ it: [columns[name]?.[row]] }, 'it')[0] ?? null,
  }));
}

const KINDS: Record<string, 'ok' | 'warn' | 'bad' | 'idle'> = {
  filled: 'ok',
  working: 'warn',
  sent: 'warn',
  decided: 'idle',
  cancelled: 'idle',
  refused: 'bad',
  rejected: 'bad',
};

const plain = (value: number | null) => (value === null ? '–' : String(+value.toPrecision(9)));
const hop = (value: number | null) => (value === null ? '–' : delay(value));

const COLUMNS: readonly GridColumn<Order>[] = [
  {
    name: 'Decided, UTC',
    by: (order) => order.number('decided_ms'),
    cell: (order) => moment(order.number('decided_ms') ?? 0).slice(5),
  },
  {
    name: 'Instrument',
    by: (order) => order.text('instrument'),
    cell: (order) => (
      <>
        {order.text('instrument')} <small>{order.text('venue')}</small>
      </>
    ),
  },
  {
    name: 'Strategy',
    wide: true,
    by: (order) => order.text('strategy'),
    cell: (order) => `${order.text('strategy')} · ${order.text('intent')}`,
  },
  { name: 'Side', by: (order) => order.text('side'), cell: (order) => order.text('side') },
  {
    name: 'State',
    by: (order) => order.text('state'),
    cell: (order) => (
      <span title={order.text('reason')}>
        <State kind={KINDS[order.text('state')] ?? 'idle'}>{order.text('state')}</State>
      </span>
    ),
  },
  {
    name: 'Filled',
    right: true,
    by: (order) => order.number('filled'),
    cell: (order) => `${plain(order.number('filled'))} of ${plain(order.number('quantity'))}`,
  },
  {
    name: 'Average',
    right: true,
    wide: true,
    by: (order) => order.number('average_price'),
    cell: (order) => plain(order.number('average_price')),
  },
  {
    name: 'Slippage, bp',
    right: true,
    by: (order) => order.number('slippage_bps'),
    cell: (order) => {
      const value = order.number('slippage_bps');
      return value === null ? '–' : signed(value, 2);
    },
  },
  {
    name: '… to VWAP, bp',
    right: true,
    wide: true,
    by: (order) => order.number('slippage_vwap_bps'),
    cell: (order) => {
      const value = order.number('slippage_vwap_bps');
      return value === null ? '–' : signed(value, 2);
    },
  },
  {
    name: 'Fee',
    right: true,
    wide: true,
    by: (order) => order.number('fee'),
    cell: (order) => `${plain(order.number('fee'))} ${order.text('currency')}`,
  },
  {
    name: 'Signal → decision',
    right: true,
    wide: true,
    by: (order) => order.number('signal_us'),
    cell: (order) => hop(order.number('signal_us')),
  },
  {
    name: '→ sent',
    right: true,
    wide: true,
    by: (order) => order.number('send_us'),
    cell: (order) => hop(order.number('send_us')),
  },
  {
    name: '→ acknowledged',
    right: true,
    wide: true,
    by: (order) => order.number('acknowledge_us'),
    cell: (order) => hop(order.number('acknowledge_us')),
  },
  {
    name: '→ fill',
    right: true,
    wide: true,
    by: (order) => order.number('fill_us'),
    cell: (order) => hop(order.number('fill_us')),
  },
];

/** The blotter, and one order in detail. */
export default function Orders(props: PageProps) {
  const { go, theme } = props;
  const address = { ...props.address, known: null };
  const blotter = usePanel(panelPath('orders_blotter', address), everyMs(address));
  const orders = ordersOf(blotter.answer);
  const more = address.id === null ? null : { id: address.id };
  const steps = usePanel(more === null ? null : panelPath('order_steps', address, more), everyMs(address));
  return (
    <>
      <Controls address={address} go={go} list={props.list} instrument={false} range known={false} />
      <div class="grid">
        <Panel
          id="blotter"
          title="Orders"
          at={blotter.at_ms}
          limit={15_000}
          problem={blotter.problem}
          note={`${orders.length} decided in the range; slippage above zero is cost, against the middle at the decision and what others paid meanwhile (VWAP)`}
          actions={<Tools panel="orders_blotter" title="the orders" address={address} />}
        >
          {orders.length === 0 ? (
            <Empty>
              {blotter.answer === null
                ? blotter.problem === null
                  ? 'Asking the warehouse…'
                  : 'Not known while the warehouse does not answer.'
                : 'No order was decided in this range.'}
            </Empty>
          ) : (
            <Grid
              label="Orders"
              columns={COLUMNS}
              rows={orders}
              keyOf={(order) => order.id}
              chosen={address.id}
              onChoose={(order) => go({ id: order.id })}
            />
          )}
        </Panel>
        {more === null ? null : (
          <>
            <ChartPanel spec={orderSteps} address={address} theme={theme} more={more} polled={steps} />
            <ChartPanel spec={orderMarkout} address={address} theme={theme} more={more} />
            <Steps polled={steps} address={address} more={more} />
          </>
        )}
      </div>
    </>
  );
}

/** Every step with the book that was seen at it. */
function Steps(props: { polled: Polled<PanelAnswer>; address: Address; more: Record<string, string> }) {
  const { answer, at_ms, problem } = props.polled;
  const columns = answer?.answer.data ?? {};
  const number = (name: string) => numbers(columns, name);
  const text = (name: string) => texts(columns, name);
  const [at, hops, bid, bidQuantity, ask, askQuantity, age] = [
    'at_ms',
    'delay_us',
    'bid',
    'bid_quantity',
    'ask',
    'ask_quantity',
    'quote_age_ms',
  ].map(number);
  const [step, price, quantity, fee, reason, detail] = [
    'step',
    'fill_price',
    'fill_quantity',
    'fee',
    'reason',
    'detail',
  ].map(text);
  return (
    <Panel
      id="steps"
      title="Steps, and the book at each"
      at={at_ms}
      limit={3_600_000}
      problem={problem}
      note={props.more.id}
      actions={<Tools panel="order_steps" title="the steps" address={props.address} more={props.more} />}
    >
      <div class="scroll" tabIndex={0} role="region" aria-label="Steps of the order, scrolls sideways">
        <table>
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">When, UTC</th>
              <th scope="col" class="right">
                Hop
              </th>
              <th scope="col" class="right">
                Bid
              </th>
              <th scope="col" class="right">
                Ask
              </th>
              <th scope="col" class="right wide">
                Quote’s age
              </th>
              <th scope="col" class="right">
                Fill
              </th>
              <th scope="col" class="right wide">
                Fee
              </th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {(step ?? []).map((name, row) => (
              <tr key={row} title={detail?.[row]}>
                <th scope="row">{name.replaceAll('_', ' ')}</th>
                <td class="number">
                  {new Date(at?.[row] ?? 0).toISOString().slice(5, 23).replace('T', ' ')}
                </td>
                <td class="right number">{hop(hops?.[row] ?? null)}</td>
                <td class="right number bid">
                  {plain(bid?.[row] ?? null)} <small>{plain(bidQuantity?.[row] ?? null)}</small>
                </td>
                <td class="right number ask">
                  {plain(ask?.[row] ?? null)} <small>{plain(askQuantity?.[row] ?? null)}</small>
                </td>
                <td class="right number wide">{age?.[row] == null ? '–' : `${age[row]} ms`}</td>
                <td class="right number">{price?.[row] ? `${quantity?.[row]} at ${price[row]}` : '–'}</td>
                <td class="right number wide">{fee?.[row] || '–'}</td>
                <td class="dim">{reason?.[row]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
