// Draws <div class="chart"> with uPlot. The numbers come from the JSON block inside it or from data-chart-src:
//   {"kind": "bars" | "line", "unit": "kWh", "labels": [...], "series": [{"label": "...", "values": [...],
//    "texts": [...]}]}
// A value may be null (missing). "texts" are the values as the server writes them, for the tip.
(function () {
  "use strict";
  if (typeof uPlot === "undefined") return;

  const drawn = new Map();
  const language = document.documentElement.lang || "en";
  const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });

  // Canvas needs a computed colour: light-dark() in a custom property is not resolved, in `color` it is.
  function colour(box, name) {
    const probe = document.createElement("span");
    probe.className = "chart-colour-" + name;
    probe.hidden = true;
    box.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  function tip(data) {
    const element = document.createElement("div");
    element.className = "chart-tip";
    element.hidden = true;

    function show(plot) {
      const index = plot.cursor.idx;
      if (index === null || index === undefined || plot.cursor.left < 0) {
        element.hidden = true;
        return;
      }
      const heading = document.createElement("strong");
      heading.textContent = data.labels[index];
      const lines = data.series.map((one) => {
        const line = document.createElement("div");
        const value = one.values[index];
        const written = one.texts ? one.texts[index] : value === null ? "–" : `${numbers.format(value)} ${data.unit || ""}`;
        line.textContent = data.series.length > 1 ? `${one.label}: ${written}` : written;
        return line;
      });
      element.replaceChildren(heading, ...lines);
      element.hidden = false;
      const x = plot.valToPos(index, "x") + plot.over.offsetLeft;
      const left = Math.min(Math.max(0, x - element.offsetWidth / 2), plot.root.offsetWidth - element.offsetWidth);
      element.style.left = `${left}px`;
    }

    return { hooks: { init: (plot) => plot.root.append(element), setCursor: show } };
  }

  function axes(box, data) {
    const font = "12px Inter, system-ui, sans-serif";
    const text = colour(box, "text");
    const grid = { stroke: colour(box, "grid"), width: 1 };
    const label = (index) => (Number.isInteger(index) ? data.labels[index] || "" : "");
    const widest = Math.max(...data.labels.map((one) => one.length)) * 7 + 18;
    return [
      { stroke: text, font, grid: { show: false }, ticks: { show: false }, size: 30, space: widest, values: (_, ticks) => ticks.map(label), incrs: [1, 2, 3, 4, 7, 10, 14, 24, 48, 96, 192, 384] },
      { stroke: text, font, grid, ticks: { show: false }, size: 56, values: (_, ticks) => ticks.map((one) => numbers.format(one)) },
    ];
  }

  function series(box, data) {
    const colours = [colour(box, "bar"), colour(box, "light"), colour(box, "missing")];
    const bars = data.kind !== "line";
    return data.series.map((one, index) => ({
      label: one.label,
      stroke: colours[index % colours.length],
      fill: bars ? colours[index % colours.length] : undefined,
      width: bars ? 0 : 1.75,
      paths: bars ? uPlot.paths.bars({ size: [0.62, 36], radius: 0.12 }) : undefined,
      points: { show: false },
    }));
  }

  function draw(box, data) {
    const old = drawn.get(box);
    if (old) old.plot.destroy();
    const count = data.labels.length;
    const options = {
      width: box.clientWidth,
      height: box.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: data.kind === "line" } },
      scales: {
        x: { time: false, range: () => [-0.6, count - 0.4] },
        y: { range: (_, low, high) => [Math.min(0, low || 0), high > 0 ? high * 1.06 : 1] },
      },
      axes: axes(box, data),
      series: [{}, ...series(box, data)],
      plugins: [tip(data)],
      padding: [8, 26, 0, 0],
    };
    const columns = [data.labels.map((_, index) => index), ...data.series.map((one) => one.values)];
    drawn.set(box, { plot: new uPlot(options, columns, box), data });
  }

  async function load(box) {
    if (drawn.has(box)) return;
    const block = box.querySelector('script[type="application/json"]');
    let data;
    try {
      data = block ? JSON.parse(block.textContent) : await (await fetch(box.dataset.chartSrc, { headers: { Accept: "application/json" } })).json();
    } catch {
      // The table beside the chart holds the same numbers: open it instead of an empty frame.
      box.hidden = true;
      const twin = box.parentElement.querySelector("details.twin");
      if (twin) twin.open = true;
      return;
    }
    draw(box, data);
    new ResizeObserver(() => {
      const plot = drawn.get(box).plot;
      if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }).observe(box);
  }

  function loadAll(within) {
    within.querySelectorAll(".chart").forEach(load);
  }

  loadAll(document);
  document.addEventListener("htmx:load", (event) => loadAll(event.detail.elt));
  function redraw() {
    drawn.forEach((one, box) => (box.isConnected ? draw(box, one.data) : drawn.delete(box)));
  }

  // The canvas holds colours, not variables: it is drawn anew for the other theme, and for paper.
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  window.matchMedia("print").addEventListener("change", redraw);
})();
