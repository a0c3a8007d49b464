"""The ids of what one does with the points of a study's front, and with the maps of what tasks share."""

# Study page: which finished points are shown, and in which scheme
POINTS = "points"

# Study page: the front
AXIS = "front-axis"
BUDGET = "front-budget"
BUDGET_BOX = "front-budget-box"
FLOORS = "front-floors"
FLOOR = "front-floor"
LAYERS = "front-layers"
BEST = "front-best"
THINNED = "front-thinned"

# Study page: selection
SELECTED = "points-selected"
SELECTION = "points-selection"
SHOW_ALL = "points-show-all"
PARALLEL = "points-parallel"
IMPORTANCE = "points-importance"
IMPORTANCE_SENTENCE = "points-importance-sentence"
IMPORTANCE_BOX = "points-importance-box"
PARALLEL_SENTENCE = "points-parallel-sentence"
PARALLEL_BOX = "points-parallel-box"
ROWS = "points-rows"
HYPERVOLUME_AXIS = "hypervolume-axis"

# Study page: two points
ONE = "points-one"
OTHER = "points-other"
WORDS = "points-words"
TASKS = "points-tasks"
TASKS_BOX = "points-tasks-box"
DIFFERENCE = "points-difference"
DIFFERENCE_BOX = "points-difference-box"

# Trial page: what tasks share
WIDTH = "sharing-width"
AFFINITY = "sharing-affinity"
FLOW = "sharing-flow"
FLOPS = "sharing-flops"
WORDS_OF_MAP = "sharing-words"
SHARING_BOX = "sharing-box"

# Trial page: the gates over training
COURSE = "course-map"
COURSE_BOX = "course-box"
COURSE_MAP_BOX = "course-map-box"
COURSE_EPOCH = "course-epoch"
COURSE_SENTENCE = "course-sentence"
