"""One server program a family; the harness starts each as ``python -m servers.NAME --loop MODULE:FACTORY``."""
