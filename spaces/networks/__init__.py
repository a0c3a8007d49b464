"""Networks of several tasks over one traced backbone."""
