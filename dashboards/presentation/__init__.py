"""Records as words and choices, without Dash and Plotly."""
