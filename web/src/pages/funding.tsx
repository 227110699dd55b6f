import { fundingCarry } from '../../panels/funding_carry.js';
import { fundingHeat } from '../../panels/funding_heat.js';
import { fundingSeries } from '../../panels/funding_series.js';
import { ChartPanel, everyMs } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { Countdown } from '../components/countdown.js';
import { panelPath, usePanel } from '../data/panel.js';
import type { PageProps } from './page.js';
import { usePerpetual } from './perpetual.js';

/** Funding: what each perpetual pays per year, what was predicted, what came, and what it made in cash. */
export default function Funding(props: PageProps) {
  const { address, go, theme } = props;
  const key = usePerpetual(props);
  const more = key === null ? null : { venue: key.venue, instrument: key.instrument };
  const heat = usePanel(panelPath(fundingHeat.id, address), everyMs(address));
  return (
    <>
      <Controls address={{ ...address, key }} go={go} list={props.list} instrument range known />
      <div class="grid">
        <ChartPanel spec={fundingHeat} address={address} theme={theme} more={{}} polled={heat} />
        <Countdown polled={heat} address={address} chosen={key} onChoose={(chosen) => go({ key: chosen })} />
        <ChartPanel spec={fundingSeries} address={address} theme={theme} more={more} />
        <ChartPanel spec={fundingCarry} address={address} theme={theme} more={more} />
      </div>
    </>
  );
}
