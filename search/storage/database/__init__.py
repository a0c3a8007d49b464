"""The database: engine, migrations, locks and retries."""
