"""The search space, the samplers and the Optuna study."""
