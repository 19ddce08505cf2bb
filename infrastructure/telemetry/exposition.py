"""Numbers that were read a moment ago, and those a process counts itself, as one text that Prometheus scrapes."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format"""

LabelValues = tuple[str, ...]


def gauge(
    name: str, meaning: str, samples: Iterable[tuple[LabelValues, float]], labels: Sequence[str] = ()
) -> Metric:
    """One number for each combination of label values; without labels the combination is `()`."""
    family = GaugeMetricFamily(f"stenolog_{name}", meaning, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def exposition(counted: CollectorRegistry, read: Sequence[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Read(read))
    return generate_latest(counted) + generate_latest(registry)


class _Read(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
