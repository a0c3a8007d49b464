// Every chart can be saved: the picture as it stands, on the page's ground, and what it shows as a table.
(function () {
  const plain = (text) => String(text || "").replace(/<[^>]*>/g, "");
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  };
  const titled = (axis, otherwise) => plain(axis && axis.title && axis.title.text) || otherwise;
  const axisOf = (plot, reference) => plot.layout[reference[0] + "axis" + reference.slice(1)];
  const nth = (values, index) => (values ? values[index] : undefined);

  // A row for each point or bar, with the series it belongs to.
  function pointTable(plot) {
    const traces = plot.data.filter((trace) => trace.x && trace.y && trace.type !== "heatmap");
    const references = (letter) => Array.from(new Set(traces.map((trace) => trace[letter + "axis"] || letter)));
    const title = (letter) => references(letter).map((name) => titled(axisOf(plot, name), name)).join(" or ");
    const errors = (trace) => (trace.error_y || {}).array || (trace.error_x || {}).array;
    const hasErrors = traces.some(errors);
    const rows = [["series", "point", title("x"), title("y"), ...(hasErrors ? ["plus or minus"] : [])]];
    for (const trace of traces) {
      Array.from(trace.x).forEach((x, index) => {
        const y = trace.y[index];
        if (x === null || y === null) return;
        const error = hasErrors ? [nth(errors(trace), index)] : [];
        rows.push([plain(trace.name), nth(trace.customdata, index), plain(x), plain(y), ...error]);
      });
    }
    return rows;
  }

  function cellTable(plot, trace) {
    const value = plain(trace.colorbar && trace.colorbar.title && trace.colorbar.title.text) || "value";
    const rows = [[titled(plot.layout.xaxis, "x"), titled(plot.layout.yaxis, "y"), value]];
    Array.from(trace.z).forEach((line, row) =>
      Array.from(line).forEach((z, column) =>
        rows.push([nth(nth(trace.customdata, row), column) || trace.x[column], trace.y[row], z])));
    return rows;
  }

  function lineTable(trace) {
    const named = (dimension, value) => {
      const index = dimension.ticktext ? Array.from(dimension.tickvals).indexOf(value) : -1;
      return index < 0 ? value : dimension.ticktext[index];
    };
    const lines = Array.from(trace.customdata).map((point, index) =>
      [point, ...trace.dimensions.map((dimension) => named(dimension, dimension.values[index]))]);
    return [["point", ...trace.dimensions.map((dimension) => dimension.label)], ...lines];
  }

  function flowTable(trace) {
    const ends = Array.from(trace.link.source).map((source, index) => [
      trace.node.customdata[source], trace.node.customdata[trace.link.target[index]],
      trace.link.value[index], trace.link.customdata[index],
    ]);
    return [["from", "to", "share", "which is"], ...ends];
  }

  function tableOf(plot) {
    const trace = plot.data[0];
    const rows = { heatmap: () => cellTable(plot, trace), parcoords: () => lineTable(trace),
      sankey: () => flowTable(trace) }[trace.type] || (() => pointTable(plot));
    return rows().map((row) => row.map(cell).join(",")).join("\n") + "\n";
  }

  function picture(plot, format) {
    const { width, height } = plot._fullLayout;
    const ground = window.getComputedStyle(plot.closest(".mantine-Paper-root")).backgroundColor;
    const layout = Object.assign({}, plot.layout, { width: width, height: height, paper_bgcolor: ground });
    const scale = format === "png" ? 2 : 1;
    return window.Plotly.toImage({ data: plot.data, layout: layout }, { format, width, height, scale });
  }

  function save(address, name) {
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
  }

  // "/study/digits/trial/7" and "trial-map" make "digits-7-trial-map".
  function nameOf(plot) {
    const words = window.location.pathname.split("/").filter((word) => word && word !== "study" && word !== "trial");
    return [...words.map(decodeURIComponent), plot.closest(".dash-graph").id].join("-");
  }

  document.addEventListener("click", async function (event) {
    const button = event.target.closest && event.target.closest("[data-save]");
    const plot = button && button.closest(".graph").querySelector(".js-plotly-plot");
    if (!plot || !plot.data.length) return;
    const format = button.dataset.save;
    const blob = () => URL.createObjectURL(new Blob(["\ufeff" + tableOf(plot)], { type: "text/csv" }));
    save(format === "csv" ? blob() : await picture(plot, format), nameOf(plot) + "." + format);
  });
})();
