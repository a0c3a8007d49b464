"""Page that starts a study."""
