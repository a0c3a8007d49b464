"""Page of one study."""
