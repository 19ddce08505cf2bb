"""The worker: jobs from Kafka in, transcripts to the object store, reports to Kafka out."""

import os

# Since 1.29 onnxruntime, which detects voices here, tells its maker about each process and model, and keeps an identifier
# in the home directory; only this, set before it is imported, stops all of it (microsoft/onnxruntime pull 27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
