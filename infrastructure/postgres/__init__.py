"""PostgreSQL: the event log and everything that has to be written in one transaction with it."""

import logging

# While a server restarts it writes the stack of each try to connect, thirty lines each time. What an outage means
# for us, we log ourselves.
logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
