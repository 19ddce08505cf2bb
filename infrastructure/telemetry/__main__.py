"""Writes docs/metrics.md anew: `python -m infrastructure.telemetry`."""

from infrastructure.telemetry.page import PATH, page

if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
