"""Web view of studies, from records to pages and pictures. It is the only package that knows Dash and Plotly."""
