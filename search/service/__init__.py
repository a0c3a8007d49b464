"""Studies for others: amendments, control of drivers, the HTTP interface and its client."""
