"""Studies: from a study file to a front of networks and to the one that is handed out. Knows no pages."""
