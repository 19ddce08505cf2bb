"""What a metric is: declared once with its labels as a type, so that mypy checks whoever counts."""

from collections.abc import Iterable, Sequence
from typing import Final, Generic, Literal, TypeAlias, TypeVar

import prometheus_client
from msgspec import Struct
from msgspec.structs import astuple
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format"""
PREFIX: Final = "stenolog_"

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


class Labels(Struct, frozen=True):
    """Each field is a label; all are text, and none holds what a client or anybody else can make up."""


class NoLabels(Labels, frozen=True):
    """One number for all."""


NO_LABELS: Final = NoLabels()


LabelSet = TypeVar("LabelSet", bound=Labels)


class Metric(Generic[LabelSet]):
    """`counted` when each process counts for itself; else it is read, at a scrape, of the whole system."""

    kind: Kind
    counted = False

    def __init__(self, name: str, meaning: str, labels: type[LabelSet]) -> None:
        self.name = PREFIX + name
        self.meaning = meaning
        self.labels: Sequence[str] = labels.__struct_fields__


class ReadGauge(Metric[LabelSet]):
    kind = "gauge"

    def of(self, samples: Iterable[tuple[LabelSet, float]]) -> Family:
        """One number for each combination of labels."""
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, number in samples:
            family.add_metric(astuple(labels), number)
        return family


class ReadCounter(Metric[LabelSet]):
    kind = "counter"

    def of(self, samples: Iterable[tuple[LabelSet, float]]) -> Family:
        """One number for each combination of labels."""
        family = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, number in samples:
            family.add_metric(astuple(labels), number)
        return family


class Counter(Metric[LabelSet]):
    kind = "counter"
    counted = True

    def __init__(
        self, name: str, meaning: str, labels: type[LabelSet], *, registry: CollectorRegistry
    ) -> None:
        super().__init__(name, meaning, labels)
        self._counts = prometheus_client.Counter(self.name, meaning, self.labels, registry=registry)
        self._series: dict[LabelSet, prometheus_client.Counter] = {}
        """Looked up by the client library under a lock and as text; as many as it keeps itself."""

    def add(self, labels: LabelSet, count: float = 1) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._counts.labels(*astuple(labels)) if self.labels else self._counts
            self._series[labels] = series
        series.inc(count)


class Histogram(Metric[LabelSet]):
    kind = "histogram"
    counted = True

    def __init__(
        self,
        name: str,
        meaning: str,
        labels: type[LabelSet],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        super().__init__(name, meaning, labels)
        self._counts = prometheus_client.Histogram(
            self.name, meaning, self.labels, buckets=buckets, registry=registry
        )
        self._series: dict[LabelSet, prometheus_client.Histogram] = {}

    def observe(self, labels: LabelSet, value: float) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._counts.labels(*astuple(labels)) if self.labels else self._counts
            self._series[labels] = series
        series.observe(value)


def counted_here() -> CollectorRegistry:
    """An empty registry for what a process counts, beside what the system knows of the process."""
    # When each series began, as a series of its own: twice as many, and nobody asks.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it takes nothing and returns nothing
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def exposition(counted: CollectorRegistry, read: Sequence[Family]) -> bytes:
    """All of it as one text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(_Read(read))
    return generate_latest(counted) + generate_latest(registry)


class _Read(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families
