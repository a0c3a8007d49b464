"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gatefront.search.results.formats import (
    flop_unit,
    format_amount,
    format_bytes,
    format_count,
    format_delta,
    format_duration,
    format_flops,
    format_metric,
    format_names,
    format_share,
    format_signed,
    format_time,
    metric_name,
)


@pytest.mark.parametrize(
    ("flops", "text"),
    [
        (None, "–"),
        (0, "0 FLOPs"),
        (950, "950 FLOPs"),
        (1_215_000, "1.215 MFLOPs"),
        (12_340_000, "12.34 MFLOPs"),
        (684_400_000_000, "684.4 GFLOPs"),
        (2e15, "2.000 PFLOPs"),
    ],
)
def test_flops_have_four_digits_and_a_unit(flops: float | None, text: str) -> None:
    assert format_flops(flops) == text


def test_amount_has_its_unit_as_a_study_file_writes_it() -> None:
    numbers = (None, 999, 168_912, 53_100_000, 1.2e9)
    assert [format_amount(n) for n in numbers] == ["–", "999", "168.9k", "53.10M", "1.200G"]


def test_unit_follows_the_largest_value() -> None:
    assert flop_unit(999_999).name == "kFLOPs"
    assert flop_unit(1_000_000).divisor == 1e6


@pytest.mark.parametrize(
    ("delta", "text"),
    [(None, "–"), (1.234, "+1.23 %"), (-4.5, "\u22124.50 %"), (0.0, "±0.00 %"), (-0.001, "±0.00 %")],
)
def test_delta_is_always_signed(delta: float | None, text: str) -> None:
    assert format_delta(delta) == text


def test_interval_follows_the_mean() -> None:
    assert format_delta(-1.6, 0.42) == "−1.60 ± 0.42 %"
    assert format_signed(1.2, 0.5) == "+1.20 ± 0.50"


def test_share_of_nothing_is_not_a_number() -> None:
    assert format_share(450, 1000) == "45.0 %"
    assert format_share(None, 1000) == "–"
    assert format_share(450, 0) == "–"


@pytest.mark.parametrize(
    ("value", "label", "text"),
    [
        (93.126, "accuracy %", "93.13 %"),
        (0.41234, "RMSE m", "0.412 m"),
        (21.3, "mean angle deg", "21.30 °"),
        (0.71, "F score", "0.710"),
        (None, "accuracy %", "–"),
    ],
)
def test_metric_carries_its_unit(value: float | None, label: str, text: str) -> None:
    assert format_metric(value, label) == text


def test_metric_name_is_the_label_without_its_unit() -> None:
    assert metric_name("mean angle deg") == "mean angle"
    assert metric_name("F score") == "F score"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.4, "0 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (3600, "1 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_bytes_are_counted_in_powers_of_1024() -> None:
    assert [format_bytes(n) for n in (512, 10_000, 1023 * 2**20)] == ["512 B", "9.8 KiB", "1023.0 MiB"]


def test_times_are_utc_whatever_the_zone() -> None:
    moment = datetime(2026, 3, 1, 15, 3, 20, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-03-01 14:03:20 UTC"
    assert format_time(moment.astimezone(UTC).replace(tzinfo=None)) == "2026-03-01 14:03:20 UTC"


def test_names_are_joined_as_in_a_sentence() -> None:
    assert format_names([]) == ""
    assert format_names(["left"]) == "left"
    assert format_names(["left", "right", "orientation"]) == "left, right and orientation"


def test_counts_are_grouped() -> None:
    assert format_count(1234567) == "1\u202f234\u202f567"
