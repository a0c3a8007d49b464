"""The study store: our tables beside Optuna's in one database. Only a study's driver writes its results."""
