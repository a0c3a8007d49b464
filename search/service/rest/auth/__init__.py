"""Who may use the HTTP interface: tokens, sessions, rights and the limit on failed attempts."""
