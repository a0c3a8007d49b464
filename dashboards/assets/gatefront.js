// Clicks become addresses here, in the browser: no round trip to the server.
// A click on the link goes its own way, one on a box ticks it.
const notARow = (event) => event.colId === "link" || event.colId === "ag-Grid-SelectionColumn";

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  gatefront: {
    // A point of the front carries its name as customdata, "7" or "7.2"; a row of the table has its trial's as its id.
    openTrial: function (event, study) {
      if (!event) return window.dash_clientside.no_update;
      const label = event.points ? event.points[0].customdata : notARow(event) ? undefined : event.rowId;
      if (label === undefined || label === null) return window.dash_clientside.no_update;
      const [number, derived] = String(label).split(".");
      return "/study/" + encodeURIComponent(study) + "/trial/" + number + (derived ? "?point=" + derived : "");
    },
    // The opening button opens a dialog, the cancelling one closes it; neither leaves an old error in it.
    openDialog: function () {
      const button = window.dash_clientside.callback_context.triggered_id;
      return [String(button).endsWith("-open"), null];
    },
    // A packed bundle is saved once, without another click; its link stays.
    saveBundle: function () {
      window.setTimeout(function () {
        const link = document.getElementById("trial-bundle-link");
        if (link && !link.dataset.saved) {
          link.dataset.saved = "yes";
          link.click();
        }
      }, 0);
      return window.dash_clientside.no_update;
    },
    // A cell of the gate map carries its site's name.
    chooseSite: function (event) {
      const site = event && event.points[0].customdata;
      return site ? site : window.dash_clientside.no_update;
    },
  },
});
