"""Speed, as ratios measured in one run on one machine. `make bench`, or `python -m benchmarks`.

data       loads billers, keys, users, customers and registrations straight into the tables
floor      the route that the hub is measured against: bare Flask + one Redis script + one committed INSERT
machines   PostgreSQL and Redis with durable settings, and granian with the same workers for hub and floor
drive      wrk, its scripts (*.lua) and its figures
slow       200 slow senders beside a flow
report     results.md
"""
