// The value under the pointer. Without a script the charts stay as they are.
for (const chart of document.querySelectorAll('svg.chart')) {
  const { from, to, left, right, unit } = chart.dataset;
  const lines = [...chart.querySelectorAll('path.line')].map((path) => ({
    name: path.dataset.name,
    points: path.dataset.points.split(',').map((pair) => pair.split(' ').map(Number)),
  }));
  const cursor = chart.querySelector('.cursor');
  const reading = chart.querySelector('.reading');
  const show = (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
    const share = Math.min(1, Math.max(0, (x - left) / (right - left)));
    const at = Number(from) + share * (to - from);
    const values = lines.map(({ name, points }) => {
      let low = 0;
      let high = points.length - 1;
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (points[middle][0] <= at) low = middle;
        else high = middle - 1;
      }
      return `${name} ${points[low][1]} ${unit}`;
    });
    const place = Number(left) + share * (right - left);
    cursor.setAttribute('x1', place);
    cursor.setAttribute('x2', place);
    cursor.style.visibility = 'visible';
    const late = share > 0.5;
    reading.setAttribute('x', place + (late ? -8 : 8));
    reading.setAttribute('text-anchor', late ? 'end' : 'start');
    reading.textContent = `${new Date(at / 1e6).toISOString().slice(0, 19)}Z  ${values.join('  ')}`;
  };
  chart.addEventListener('pointermove', show);
  chart.addEventListener('pointerleave', () => {
    cursor.style.visibility = 'hidden';
    reading.textContent = '';
  });
}
