"""Trained references in the database."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from gatefront.search.storage.tables.schema import ReferenceRow
from gatefront.trainer.reporting import ReferenceResult


def write_reference(
    session: Session,
    study: str,
    role: str,
    result: ReferenceResult,
    *,
    is_baseline: bool,
    deltas: tuple[float | None, float | None],
    is_ranked: bool,
) -> bool:
    """Store a reference, unless the row of the same training exists. Return ``is_ranked`` as stored in the row.

    ``deltas`` are Δ_MTL of hard sharing on the validation and on the test split.
    """
    known = session.get(ReferenceRow, (study, role))
    if known is not None and known.result["key"] == result.key:
        return bool(known.result.get("is_ranked", True))
    on_val, on_test = deltas
    session.merge(
        ReferenceRow(
            study=study,
            role=role,
            kind=result.kind,
            is_baseline=is_baseline,
            delta_mtl=on_val,
            finished_at=datetime.now(UTC),
            result=_jsonable(asdict(result) | {"is_ranked": is_ranked, "test_delta_mtl": on_test}),
        )
    )
    return is_ranked


def _jsonable(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
