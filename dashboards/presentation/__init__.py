"""Presentation of records as words and choices, without Dash and Plotly."""
