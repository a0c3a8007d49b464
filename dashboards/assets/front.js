// The points of a study's front: a budget that is dragged, one selection in every view, and the table's rows.
(function () {
  const none = () => window.dash_clientside.no_update;
  const plotOf = (id) => document.querySelector("#" + CSS.escape(id) + " .js-plotly-plot");
  const labelled = (points) => points.map((point) => point.customdata).filter((label) => typeof label === "string");

  // The handle named "your-budget" is dragged here, and its line with it: Plotly moves a shape only after a click has
  // made it the active one.
  const SHAPES = "#study-front .shapelayer path";
  const shapeOf = (plot, path) => (plot.layout.shapes || [])[path.dataset.index] || {};
  const budgetHandle = (node) => {
    const path = node.closest && node.closest(SHAPES);
    const plot = path && plotOf("study-front");
    if (!plot || shapeOf(plot, path).name !== "your-budget") return null;
    const isPart = (other) => String(shapeOf(plot, other).name).startsWith("your-budget");
    const parts = Array.from(document.querySelectorAll(SHAPES)).filter(isPart);
    return { parts: parts, x: shapeOf(plot, path).x0, axis: plot._fullLayout.xaxis };
  };
  document.addEventListener("pointerdown", function (event) {
    const held = budgetHandle(event.target);
    if (!held) return;
    event.preventDefault();
    const way = (now) => now.clientX - event.clientX;
    const move = (x) => held.parts.forEach((part) => part.setAttribute("transform", "translate(" + x + ")"));
    const drag = (now) => move(way(now));
    const letGo = function (now) {
      document.removeEventListener("pointermove", drag);
      document.removeEventListener("pointercancel", letGo);
      document.removeEventListener("pointerup", letGo);
      if (now.type === "pointercancel") return move(0);
      const there = held.axis.p2d(held.axis.d2p(held.x) + way(now));
      if (way(now)) window.dash_clientside.set_props("front-budget", { value: Number(there.toPrecision(6)) });
    };
    document.addEventListener("pointermove", drag);
    document.addEventListener("pointercancel", letGo);
    document.addEventListener("pointerup", letGo);
  });
  document.addEventListener("click", (event) => budgetHandle(event.target) && event.stopPropagation(), true);

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    gatefrontPoints: {
      // Points that were framed in the plot; framing nothing, or a double click, takes the selection back.
      // Without a frame nobody has framed: so Plotly says that it has drawn the plot again.
      selectInPlot: function (event) {
        if (event === undefined) return none();
        const labels = event ? labelled(event.points) : [];
        if (labels.length) return { labels: labels, source: "plot" };
        return event === null || event.range ? null : none();
      },
      // Lines that keep to every brushed range.
      selectLines: function (change, id) {
        const plot = plotOf("points-parallel");
        if (!change || !plot) return none();
        const trace = plot.data[0];
        const brushed = trace.dimensions.filter((dimension) => dimension.constraintrange);
        if (!brushed.length) return null;
        const within = (dimension, index) => {
          const ranges = Array.isArray(dimension.constraintrange[0])
            ? dimension.constraintrange : [dimension.constraintrange];
          return ranges.some((range) => range[0] <= dimension.values[index] && dimension.values[index] <= range[1]);
        };
        const labels = Array.from(trace.customdata).filter((_, index) => brushed.every((d) => within(d, index)));
        return { labels: labels, source: "parallel" };
      },
      selectRows: function (rows) {
        if (!rows) return none();
        return rows.length ? { labels: rows.map((row) => row.id), source: "table" } : null;
      },
      selectParameter: function (event) {
        return event ? event.points[0].customdata : none();
      },
      // The rows on the screen are asked for again.
      refreshRows: function () {
        if (document.querySelector("#study-trials .ag-root")) {
          window.dash_ag_grid.getApiAsync("study-trials").then((api) => api.refreshInfiniteCache());
        }
        return none();
      },
    },
  });
})();
