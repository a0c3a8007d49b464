"""Studies replayed from a table of recorded trials: the real searcher, gate, database and sampler, without training."""

from gatefront.search.driver.simulation.recorded_table import Answer, Answers, RecordedTable, load_tables
from gatefront.search.driver.simulation.simulated_study import Finished, SimulatedStudy

__all__ = ["Answer", "Answers", "Finished", "RecordedTable", "SimulatedStudy", "load_tables"]
