"""Instructions per operation, counted by callgrind and compared with recorded figures: ``python -m guard``."""
