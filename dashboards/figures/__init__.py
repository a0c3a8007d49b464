"""Plotly figures made from records, without Dash."""
