"""The page that starts a study."""
