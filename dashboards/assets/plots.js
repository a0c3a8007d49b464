// Every plot's next figure: drawn at the zoom the person has chosen, and at once only where it can be seen.
(function () {
  const plotIn = (place) => place.querySelector(".js-plotly-plot");
  const nothing = () => window.dash_clientside.no_update;

  // The last figure the server sent for each place.
  const sent = {};

  // The figure, with the axes as the person has set them since the last one.
  const atZoom = function (place, next) {
    const last = sent[place.id];
    sent[place.id] = next;
    const shown = plotIn(place);
    if (!last || !shown || shown.layout.uirevision !== next.layout.uirevision) return next;
    const layout = Object.assign({}, next.layout);
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      const now = shown.layout[name];
      const before = (last.layout[name] || {}).range;
      if (now && now.range && now.autorange !== true && String(now.range) !== String(before)) {
        layout[name] = Object.assign({}, layout[name], { range: now.range, autorange: false });
      }
    }
    // What dragging does is the person's choice too.
    if (shown.layout.dragmode && shown.layout.dragmode !== last.layout.dragmode) layout.dragmode = shown.layout.dragmode;
    return Object.assign({}, next, { layout: layout });
  };

  // The first figure brings the plot with it.
  const draw = function (place, figure) {
    const plot = JSON.parse(place.dataset.plot);
    if (plotIn(place)) return window.dash_clientside.set_props(plot.props.id, { figure: figure });
    plot.props.figure = figure;
    window.dash_clientside.set_props(place.id, { children: plot });
  };

  // Figures of plots out of sight wait for those in sight, and then until the browser has nothing else to do.
  const waiting = new Map();
  const whenIdle = window.requestIdleCallback || window.setTimeout;
  // What was drawn is on the screen only once the browser has had two frames.
  const whenShown = (then) => requestAnimationFrame(() => requestAnimationFrame(() => whenIdle(then)));
  // A plot that got no figure within so many milliseconds keeps the others waiting no longer.
  const PATIENCE = 3000;

  const isInSight = function (place) {
    const box = place.getBoundingClientRect();
    return box.height > 0 && box.top < window.innerHeight && box.bottom > 0;
  };
  const isAwaited = (place) => isInSight(place) && !plotIn(place);

  const drawLater = function (place, figure) {
    if (!waiting.size) awaitThoseInSight(performance.now() + PATIENCE);
    waiting.set(place.id, { place: place, figure: figure });
  };

  const awaitThoseInSight = function (deadline) {
    const areAwaited = Array.from(document.querySelectorAll(".graph .plot")).some(isAwaited);
    if (!areAwaited || performance.now() > deadline) return whenShown(drawNext);
    window.setTimeout(awaitThoseInSight, 50, deadline);
  };

  const drawNext = function () {
    const { place, figure } = waiting.values().next().value;
    waiting.delete(place.id);
    // Its page may have been left meanwhile, for another with a place of that name.
    if (place.isConnected) draw(place, figure);
    if (waiting.size) whenShown(drawNext);
  };

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    gatefrontPlots: {
      // See register_graphs.
      draw: function (next) {
        if (!next) return nothing();
        const place = document.getElementById(window.dash_clientside.callback_context.outputs_list.id);
        const figure = atZoom(place, next);
        if (isInSight(place) && !waiting.has(place.id)) draw(place, figure);
        else drawLater(place, figure);
        return nothing();
      },
    },
  });
})();
