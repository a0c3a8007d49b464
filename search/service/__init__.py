"""Service for studies: amendments, control of drivers, the HTTP interface and its client."""
