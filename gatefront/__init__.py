"""Neural architecture search for multi-task networks under a budget.

The four packages stand at the top of the repository. The links beside this file give them one import name.
"""
