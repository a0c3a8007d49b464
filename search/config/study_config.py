"""StudyConfig: a study file as frozen, checked records, with one class per table of the file."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gatefront.search.config.distillation import DistillationSection
from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.config.family import INTERROGATE, FamilySection
from gatefront.search.config.gates import GatesSection
from gatefront.search.config.latency import LatencyRule, Precision, Runtime
from gatefront.search.config.parameters import (
    FloatChoice,
    FloatParameter,
    IntChoice,
    NameChoice,
    StrictModel,
    bounds,
)
from gatefront.search.config.quantities import parse_disk_quota, parse_flop_budget, parse_param_budget
from gatefront.search.config.train import PositiveInt, TrainSection
from gatefront.search.errors import StudyFileError
from gatefront.spaces.architecture.architecture import DenseDecoder
from gatefront.trainer.data import DataSpec
from gatefront.trainer.data.cache.cache_limit import parse_cache_limit

Objective = Literal["delta_mtl", "flops", "latency"]
SamplerName = Literal["tpe", "tpe-independent", "gp", "nsga2", "random", "grid"]
_TWO_OBJECTIVES: tuple[Objective, ...] = ("delta_mtl", "flops")


class StudySection(StrictModel):
    """Table ``[study]``.

    ``flop_budget`` is ``"45%"`` of the single-task cost or an amount like ``"60M"``. None: no budget. ``param_budget``
    caps the delivered network's parameters, such as ``"2M"``. None: no cap. ``objectives`` may name ``"latency"``
    beside the two that every study has. ``grid_points`` is the number of values that the grid takes from a range.

    After the search, the trials of the best ``confirm_points`` points get ``confirm_seeds`` replicates each, with other
    seeds. ``disk_quota`` is the most that the study's own folder may take, such as ``"40G"``. None: all that the disk
    has. ``rank_unlearned`` counts in Δ_MTL also tasks whose single-task network is no better than a constant
    prediction.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    flop_budget: str | None = None
    param_budget: str | None = None
    trials: PositiveInt = 12
    seed: Annotated[int, Field(ge=0)] = 0
    workers: PositiveInt | None = None
    sampler: Literal["auto"] | SamplerName = "auto"
    grid_points: Annotated[int, Field(ge=2)] = 5
    confirm_points: Annotated[int, Field(ge=0)] = 1
    confirm_seeds: Annotated[int, Field(ge=2)] = 3
    disk_quota: str | None = None
    rank_unlearned: bool = False

    objectives: list[Objective] = Field(default_factory=lambda: list(_TWO_OBJECTIVES))

    @field_validator("objectives")
    @classmethod
    def _are_known(cls, names: list[Objective]) -> list[Objective]:
        if tuple(names) not in (_TWO_OBJECTIVES, (*_TWO_OBJECTIVES, "latency")):
            raise ValueError('objectives must be "delta_mtl", "flops", and at most "latency" after them')
        return names

    @model_validator(mode="after")
    def _points_are_the_grids(self) -> "StudySection":
        if self.sampler != "grid" and "grid_points" in self.model_fields_set:
            raise ValueError(f'grid_points has no effect with sampler = "{self.sampler}"; only "grid" has points')
        return self

    @field_validator("flop_budget")
    @classmethod
    def _parses(cls, text: str | None) -> str | None:
        if text is not None:
            parse_flop_budget(text)
        return text

    @field_validator("disk_quota")
    @classmethod
    def _is_a_size(cls, text: str | None) -> str | None:
        if text is not None:
            parse_disk_quota(text)
        return text

    @field_validator("param_budget")
    @classmethod
    def _is_an_amount(cls, text: str | None) -> str | None:
        if text is not None:
            parse_param_budget(text)
        return text


class DataSection(StrictModel):
    """Table ``[data]``: a registered data set, its folder, the limit of decoded samples, and the set's own options."""

    name: str
    root: str | None = None
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    cache: str = "auto"

    @field_validator("cache")
    @classmethod
    def _is_a_limit(cls, text: str) -> str:
        parse_cache_limit(text)
        return text

    def as_spec(self) -> DataSpec:
        return DataSpec(name=self.name, root=self.root, options=dict(self.options), cache=self.cache)


class NetworkSection(StrictModel):
    """Table ``[network]``: the capacities to try.

    Ranges are refused, because each capacity needs its own references.
    """

    backbone: NameChoice = "smallconv"
    stem: Literal["default", "small"] = "default"
    output_stride: Literal[8, 16, 32] | None = None
    resolution: FloatChoice = 1.0
    width: FloatChoice = 1.0
    decoder: DenseDecoder = "light"
    decoder_width: IntChoice = 32
    share_decoder: bool = False
    pretrained: bool = False
    weights: str | None = None


class TaskSection(StrictModel):
    """Table ``[tasks.NAME]``: the task's weight in the loss, and its metric by name. None: the data set's metric."""

    weight: FloatParameter = 1.0
    metric: str | None = None

    @field_validator("weight")
    @classmethod
    def _is_positive(cls, parameter: FloatParameter) -> FloatParameter:
        for value in bounds(parameter):
            if not value > 0:
                raise ValueError(f"weight must be above 0, found {value}")
        return parameter


class LatencySection(StrictModel):
    """Table ``[latency]``: the timing of every delivered network on its worker's CPU.

    ``budget_ms`` None means that the latency caps nothing.
    """

    budget_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    runtime: Runtime = "onnx"
    threads: PositiveInt = 1
    batch: PositiveInt = 1
    precision: Precision = "fp32"

    @model_validator(mode="after")
    def _onnx_is_fp32(self) -> "LatencySection":
        if self.runtime == "onnx" and self.precision != "fp32":
            raise ValueError('precision must be "fp32" with runtime = "onnx"; "eager" and "compiled" have both')
        return self


class StudyConfig(StrictModel):
    """A whole study file."""

    study: StudySection
    data: DataSection
    network: NetworkSection = NetworkSection()
    train: TrainSection = TrainSection()
    gates: GatesSection = GatesSection()
    family: FamilySection = FamilySection()
    distillation: DistillationSection = DistillationSection()
    tasks: dict[str, TaskSection] = Field(default_factory=dict)
    latency: LatencySection | None = None
    early_stopping: StoppingRule | None = None

    @model_validator(mode="after")
    def _latency_is_measured(self) -> "StudyConfig":
        if "latency" in self.study.objectives and self.latency is None:
            raise StudyFileError(
                'study.objectives names "latency", and nothing says how it is measured.',
                hint="Add a [latency] table; it may be empty.",
            )
        return self

    @model_validator(mode="after")
    def _families_have_their_keys(self) -> "StudyConfig":
        if INTERROGATE not in self.family.names and self.gates.model_fields_set:
            raise StudyFileError(
                f"[gates] has no effect with family.name {', '.join(self.family.names)}.",
                hint='Leave the table out, or add "interrogate" to the choices of [family].',
            )
        if len(self.family.names) > 1 and self.study.sampler == "grid":
            raise StudyFileError(
                'sampler = "grid" takes one family: each has knobs of its own, and no grid has all of them.',
                hint="Choose another sampler, or make one study per family.",
            )
        return self

    @property
    def latency_rule(self) -> LatencyRule | None:
        """Rule by which networks are timed. None means that they are not timed."""
        if self.latency is None:
            return None
        return LatencyRule(**self.latency.model_dump(), is_objective="latency" in self.study.objectives)

    @property
    def latency_budget_ms(self) -> float | None:
        return None if self.latency is None else self.latency.budget_ms

    def without_budget(self) -> "StudyConfig":
        """Return the same study without caps, to learn the costs of its networks."""
        free = {"flop_budget": None, "param_budget": None, "objectives": list(_TWO_OBJECTIVES)}
        return self.model_copy(update={"study": self.study.model_copy(update=free), "latency": None})

    def without_weights(self) -> "StudyConfig":
        """Return the same study with random weights, to count its networks where trained weights are unavailable."""
        return self.model_copy(
            update={"network": self.network.model_copy(update={"pretrained": False, "weights": None})}
        )
