"""Studies replayed from a table of recorded trials, without training.

Searcher, validator, database and sampler are the real ones.
"""

from gatefront.search.driver.simulation.recorded_table import Answer, Answers, RecordedTable, load_tables
from gatefront.search.driver.simulation.simulated_study import Finished, SimulatedStudy

__all__ = ["Answer", "Answers", "Finished", "RecordedTable", "SimulatedStudy", "load_tables"]
