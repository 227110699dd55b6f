import { basisHistogram } from '../../panels/basis_histogram.js';
import { basisSeries } from '../../panels/basis_series.js';
import { basisTerm } from '../../panels/basis_term.js';
import { bookDepth } from '../../panels/book_depth.js';
import { ChartPanel } from '../components/chartpanel.js';
import { Controls } from '../components/controls.js';
import { NetScanner } from '../components/netscanner.js';
import type { PageProps } from './page.js';
import { usePerpetual } from './perpetual.js';

/** Basis: who is widest after costs, and the course of one of them. */
export default function Basis(props: PageProps) {
  const { address, go, theme } = props;
  const key = usePerpetual(props);
  const more = key === null ? null : { venue: key.venue, instrument: key.instrument };
  return (
    <>
      <Controls address={{ ...address, key }} go={go} list={props.list} instrument range known />
      <div class="grid">
        <NetScanner address={address} chosen={key} onChoose={(chosen) => go({ key: chosen })} />
        <ChartPanel spec={basisSeries} address={address} theme={theme} more={more} />
        <ChartPanel spec={basisHistogram} address={address} theme={theme} more={more} />
        <ChartPanel
          spec={basisTerm}
          address={address}
          theme={theme}
          more={key === null ? null : { instrument: key.instrument }}
        />
        <ChartPanel spec={bookDepth} address={address} theme={theme} more={more} />
      </div>
    </>
  );
}
