"""Record in, Plotly figure out. Nothing here knows Dash."""
