"""Pages, one module each: its layout, its title and `register_callbacks(app, reader)`."""
