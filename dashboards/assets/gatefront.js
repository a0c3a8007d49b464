// Clicks become addresses here, in the browser: no round trip to the server.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  gatefront: {
    // A point of the front carries its trial's number as customdata; a row of the table as data.number.
    openTrial: function (event, study) {
      if (!event) return window.dash_clientside.no_update;
      const number = event.points ? event.points[0].customdata : event.colId === "link" ? undefined : event.rowId;
      if (number === undefined || number === null) return window.dash_clientside.no_update;
      return "/study/" + encodeURIComponent(study) + "/trial/" + number;
    },
    // A cell of the gate map carries its site's name.
    chooseSite: function (event) {
      const site = event && event.points[0].customdata;
      return site ? site : window.dash_clientside.no_update;
    },
  },
});

// Sorts the column of links by the trial's number.
window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, {
  trialOrder: function (a, b, first, second) {
    return first.data.number - second.data.number;
  },
});
