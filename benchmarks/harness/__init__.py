"""The machinery behind ``run.py``: processes, rounds, statistics, tables. It knows no particular row."""
