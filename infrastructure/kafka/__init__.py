"""Adapters to Kafka."""

import logging

# It reports each refused connection as an error, several times a second while a broker restarts. What an
# outage means for us, we log ourselves.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
