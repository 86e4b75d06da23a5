"""The alerting rules: shaped as Prometheus wants them, about metrics and labels that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from services.cli.later import PLACES
from shared.runtime import consuming_metrics, dead_letter_metrics

FILE = Path(__file__).parents[2] / "deploy/prometheus/patchbay-alerts.yaml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
]
DURATION = re.compile(r"\d+(ms|[smhdwy])")
WORDS = frozenset({"by", "queue", "reason", "max", "min", "sum", "delta", "increase", "min_over_time"})
MODULES = (consuming_metrics, dead_letter_metrics)
"""Importing them is what makes their metrics known."""

NAMES = {sample for metric in REGISTRY.collect() for sample in (metric.name, f"{metric.name}_total")}


def _id(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


@pytest.mark.parametrize("rule", RULES, ids=_id)
def test_a_rule_has_what_prometheus_wants(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations", "keep_firing_for"}
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rule["alert"])
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert "for" not in rule or DURATION.fullmatch(rule["for"])


@pytest.mark.parametrize("rule", RULES, ids=_id)
def test_an_expression_is_whole_and_about_metrics_that_exist(rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    assert all(expression.count(a) == expression.count(b) for a, b in ("()", "[]", "{}"))
    assert all(DURATION.fullmatch(span) for span in re.findall(r"\[([^\]]*)\]", expression))
    bare = re.sub(r"\[[^\]]*\]", "", expression)
    assert set(re.findall(r"[a-z_]{2,}", bare)) - WORDS <= NAMES
    assert re.search(r"(>|<|==|!=|>=|<=)\s*-?\d+(\.\d+)?$", expression), "an alert compares with something"


@pytest.mark.parametrize("rule", RULES, ids=_id)
def test_a_template_names_labels_that_the_expression_keeps(rule: dict[str, Any]) -> None:
    for text in rule["annotations"].values():
        assert text.count("{{") == text.count("}}")
        for label in re.findall(r"\$labels\.(\w+)", text):
            assert label in re.findall(r"by \(([^)]*)\)", rule["expr"])[0].replace(" ", "").split(",")


def test_the_commands_that_rules_name_exist() -> None:
    assert "dead-letters" in PLACES
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
