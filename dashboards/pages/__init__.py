"""One module per page: its layout, its title and `register_callbacks(app, reader)`."""
