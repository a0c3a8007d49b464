// The points of a study's front: a budget that is dragged, one selection in every view, and the table's rows.
(function () {
  const none = () => window.dash_clientside.no_update;
  const plotOf = (id) => document.querySelector("#" + CSS.escape(id) + " .js-plotly-plot");
  const labelled = (points) => points.map((point) => point.customdata).filter((label) => typeof label === "string");

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    gatefrontPoints: {
      // The line named "your-budget" was moved: where it stands now.
      dragBudget: function (change, figure) {
        if (!change || !figure) return none();
        const shapes = figure.layout.shapes || [];
        const index = shapes.findIndex((shape) => shape.name === "your-budget");
        const ends = ["x0", "x1"].map((end) => change["shapes[" + index + "]." + end]).filter((x) => x !== undefined);
        return index < 0 || !ends.length ? none() : ends.reduce((a, b) => a + b) / ends.length;
      },
      // Points that were framed in the plot; framing nothing, or a double click, takes the selection back.
      selectInPlot: function (event) {
        if (event === undefined) return none();
        const labels = event ? labelled(event.points) : [];
        return labels.length ? { labels: labels, source: "plot" } : null;
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
