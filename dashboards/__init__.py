"""The web view of studies: records in, pages and pictures out. The only package that knows Dash and Plotly."""
